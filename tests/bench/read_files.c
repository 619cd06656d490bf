// SPDX-License-Identifier: Apache-2.0
// The least that a start costs: reads what a list names, each once, and keeps nothing. A line of the list is a letter
// and a path: r (open, read to the end, close), l (readlink), d (open, getdents to the end, close), s (stat). Prints
// its counts.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char buffer[65536];

static int read_file(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return 0;
  while (read(fd, buffer, sizeof buffer) > 0) continue;
  close(fd);
  return 1;
}

static int list_folder(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (fd < 0) return 0;
  while (syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 0) continue;
  close(fd);
  return 1;
}

static int perform(char what, const char* path) {
  struct stat status;
  switch (what) {
    case 'r': return read_file(path);
    case 'l': return readlink(path, buffer, sizeof buffer) > 0;
    case 'd': return list_folder(path);
    case 's': return stat(path, &status) == 0;
    default: return 0;
  }
}

int main(int argc, char** argv) {
  FILE* list = argc == 2 ? fopen(argv[1], "re") : NULL;
  if (list == NULL) {
    fputs("Usage: bench_read_files LIST\n", stderr);
    return 2;
  }
  static char line[8192];
  unsigned long found = 0;
  unsigned long missing = 0;
  while (fgets(line, sizeof line, list) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (perform(line[0], line + 2)) {
      ++found;
    } else {
      ++missing;
    }
  }
  printf("%lu found, %lu missing\n", found, missing);
  return 0;
}
