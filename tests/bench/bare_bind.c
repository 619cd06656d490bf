// SPDX-License-Identifier: Apache-2.0
// The least that a bind to vfio-pci and the way back cost: the writes that the kernel needs, in one process that stays,
// unchecked and without a record. Prints the milliseconds of each bind and each give-back, a line a round. Only for the
// test machine: it moves the device that it is told.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void write_attribute(const char* path, const char* value) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, value, strlen(value)) < 0) {
    perror(path);
    exit(1);
  }
  close(fd);
}

static void write_of(const char* folder, const char* name, const char* file, const char* value) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s/%s", folder, name, file);
  write_attribute(path, value);
}

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void move(const char* device, const char* from, const char* to, const char* override) {
  write_of("/sys/bus/pci/devices", device, "driver_override", to);
  write_of("/sys/bus/pci/drivers", from, "unbind", device);
  write_of("/sys/bus/pci/drivers", to, "bind", device);
  if (override != NULL) write_of("/sys/bus/pci/devices", device, "driver_override", override);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fputs("Usage: bench_bare_bind ADDRESS DRIVER ROUNDS\n", stderr);
    return 2;
  }
  for (int round = 0; round < atoi(argv[3]); ++round) {
    const double begun = milliseconds();
    move(argv[1], argv[2], "vfio-pci", NULL);
    const double bound = milliseconds();
    move(argv[1], "vfio-pci", argv[2], "\n");
    printf("%.3f %.3f\n", bound - begun, milliseconds() - bound);
    fflush(stdout);
  }
  return 0;
}
