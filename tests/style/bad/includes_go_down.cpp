// as: sysfs/device/device.cpp
#include "vfio/nodes.hpp"
