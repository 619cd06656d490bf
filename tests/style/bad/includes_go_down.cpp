// as: sysfs/device.cpp
#include "vfio/nodes.hpp"
