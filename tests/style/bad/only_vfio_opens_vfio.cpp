// as: handoff/worker/task.cpp
int fd = ::open("/dev/vfio/vfio", O_RDWR);
