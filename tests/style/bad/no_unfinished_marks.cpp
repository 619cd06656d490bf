// as: sysfs/step.cpp
// TODO: later
