// as: sysfs/step.hpp
#pragma once
