// as: sysfs/kernel/step.cpp
// TODO: later
