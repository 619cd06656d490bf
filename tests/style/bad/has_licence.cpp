// as: sysfs/device/device.cpp
#include "sysfs/use/use.hpp"
