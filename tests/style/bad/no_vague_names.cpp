// as: sysfs/utils.cpp
int x;
