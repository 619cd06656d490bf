// SPDX-License-Identifier: Apache-2.0
/* Opens a VFIO device through its group and holds it until standard input ends: a stand-in for a VMM.
 * Written against linux/vfio.h alone. Usage: hold_vfio GROUP BDF, with GROUP as its
 * node is called: 26, noiommu-0. Prints "viable=N" and then "open". */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char path[64], byte;
    if (argc != 3) return 2;
    snprintf(path, sizeof path, "/dev/vfio/%s", argv[1]);
    int container = open("/dev/vfio/vfio", O_RDWR);
    int group = open(path, O_RDWR);
    struct vfio_group_status status = {.argsz = sizeof status};
    if (container < 0 || group < 0) return perror("open"), 1;
    if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0) return perror("VFIO_GROUP_GET_STATUS"), 1;
    printf("viable=%d\n", !!(status.flags & VFIO_GROUP_FLAGS_VIABLE));
    fflush(stdout);
    if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0) return perror("VFIO_GROUP_SET_CONTAINER"), 1;
    int type = strncmp(argv[1], "noiommu-", 8) ? VFIO_TYPE1v2_IOMMU : VFIO_NOIOMMU_IOMMU;
    if (ioctl(container, VFIO_SET_IOMMU, type) < 0) return perror("VFIO_SET_IOMMU"), 1;
    if (ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[2]) < 0) return perror("VFIO_GROUP_GET_DEVICE_FD"), 1;
    puts("open");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
