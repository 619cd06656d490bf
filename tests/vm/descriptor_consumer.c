// SPDX-License-Identifier: Apache-2.0
/* Uses a VFIO device by descriptors that it was given, and opens no node itself: what a consumer without any right does.
 * Usage: descriptor_consumer group CONTAINER GROUP BDF | cdev IOMMUFD DEVICE, with numbers of open descriptors.
 * Prints `region INDEX SIZE` of each region, `config VENDOR DEVICE`, `mapped SIZE`. From the kernel's headers alone;
 * what linux/vfio.h of kernel 6.1 lacks is written out as in 6.12's. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { map_size = 1 << 20 };
static const uint64_t iova = 1 << 20;

struct bind_iommufd { uint32_t argsz, flags; int32_t iommufd; uint32_t out_devid; };
struct attach_iommufd { uint32_t argsz, flags, pt_id; };
struct ioas_alloc { uint32_t size, flags, out_ioas_id; };
struct ioas_map { uint32_t size, flags, ioas_id, reserved; uint64_t user_va, length, iova; };
#define BIND_IOMMUFD _IO(';', 100 + 18)
#define ATTACH_IOMMUFD_PT _IO(';', 100 + 19)
#define IOAS_ALLOC _IO(';', 0x81)
#define IOAS_MAP _IO(';', 0x85)
#define IOAS_MAP_FIXED_WRITEABLE_READABLE 7

static void check(int failed, const char *what) {
    if (!failed) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void *memory(void) {
    void *made = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(made == MAP_FAILED, "mmap");
    return made;
}

static int by_group(int container, int group, const char *address) {
    check(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0, "VFIO_GROUP_SET_CONTAINER");
    check(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0, "VFIO_SET_IOMMU");
    struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map, .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                           .vaddr = (uintptr_t)memory(), .iova = iova, .size = map_size};
    check(ioctl(container, VFIO_IOMMU_MAP_DMA, &map) < 0, "VFIO_IOMMU_MAP_DMA");
    int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
    check(device < 0, "VFIO_GROUP_GET_DEVICE_FD");
    return device;
}

static int by_cdev(int iommufd, int device) {
    struct bind_iommufd bind = {.argsz = sizeof bind, .iommufd = iommufd};
    check(ioctl(device, BIND_IOMMUFD, &bind) < 0, "VFIO_DEVICE_BIND_IOMMUFD");
    struct ioas_alloc space = {.size = sizeof space};
    check(ioctl(iommufd, IOAS_ALLOC, &space) < 0, "IOMMU_IOAS_ALLOC");
    struct attach_iommufd attach = {.argsz = sizeof attach, .pt_id = space.out_ioas_id};
    check(ioctl(device, ATTACH_IOMMUFD_PT, &attach) < 0, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
    struct ioas_map map = {.size = sizeof map, .flags = IOAS_MAP_FIXED_WRITEABLE_READABLE, .ioas_id = space.out_ioas_id,
                           .user_va = (uintptr_t)memory(), .length = map_size, .iova = iova};
    check(ioctl(iommufd, IOAS_MAP, &map) < 0, "IOMMU_IOAS_MAP");
    return device;
}

int main(int argc, char **argv) {
    int device;
    if (argc == 5 && strcmp(argv[1], "group") == 0)
        device = by_group(atoi(argv[2]), atoi(argv[3]), argv[4]);
    else if (argc == 4 && strcmp(argv[1], "cdev") == 0)
        device = by_cdev(atoi(argv[2]), atoi(argv[3]));
    else
        return 2;
    struct vfio_region_info config = {.argsz = sizeof config, .index = VFIO_PCI_CONFIG_REGION_INDEX};
    for (unsigned index = 0; index <= VFIO_PCI_CONFIG_REGION_INDEX; index++) {
        struct vfio_region_info info = {.argsz = sizeof info, .index = index};
        check(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0, "VFIO_DEVICE_GET_REGION_INFO");
        printf("region %u %llu\n", index, info.size);
        if (index == VFIO_PCI_CONFIG_REGION_INDEX) config = info;
    }
    uint16_t ids[2];
    check(pread(device, ids, sizeof ids, config.offset) != sizeof ids, "pread");
    printf("config %04x %04x\nmapped %d\n", ids[0], ids[1], map_size);
    return 0;
}
