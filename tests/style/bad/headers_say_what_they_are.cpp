// as: sysfs/kernel/step.hpp
#pragma once
