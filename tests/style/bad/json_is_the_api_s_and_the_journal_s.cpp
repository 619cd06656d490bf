// as: vfio/nodes.cpp
#include <nlohmann/json.hpp>
