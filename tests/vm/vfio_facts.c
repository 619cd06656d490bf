// SPDX-License-Identifier: Apache-2.0
/* Prints what the kernel says about a VFIO device, from linux/vfio.h alone and nothing of devbindd: the other witness.
 * Usage: vfio_facts GROUP BDF. One line for each fact:
 *   device FLAGS REGIONS IRQS | region INDEX FLAGS SIZE OFFSET | cap REGION ID VERSION | area REGION OFFSET SIZE
 *   irq INDEX FLAGS COUNT | reset GROUP SEGMENT BUS DEVFN. A refused index: `region INDEX errno N`. Numbers in decimal. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static void print_capabilities(const char *info, unsigned argsz, unsigned index, unsigned offset) {
    while (offset != 0 && offset + sizeof(struct vfio_info_cap_header) <= argsz) {
        const struct vfio_info_cap_header *header = (const void *)(info + offset);
        printf("cap %u %u %u\n", index, header->id, header->version);
        if (header->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
            const struct vfio_region_info_cap_sparse_mmap *sparse = (const void *)header;
            for (unsigned area = 0; area < sparse->nr_areas; area++)
                printf("area %u %llu %llu\n", index, sparse->areas[area].offset, sparse->areas[area].size);
        }
        offset = header->next;
    }
}

static void print_region(int device, unsigned index) {
    unsigned argsz = sizeof(struct vfio_region_info);
    for (;;) {
        struct vfio_region_info *info = calloc(1, argsz);
        info->argsz = argsz;
        info->index = index;
        if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info) < 0) {
            printf("region %u errno %d\n", index, errno);
            free(info);
            return;
        }
        if (info->argsz > argsz) {
            argsz = info->argsz;
            free(info);
            continue;
        }
        printf("region %u %u %llu %llu\n", index, info->flags, info->size, info->offset);
        if (info->flags & VFIO_REGION_INFO_FLAG_CAPS) print_capabilities((char *)info, info->argsz, index, info->cap_offset);
        free(info);
        return;
    }
}

static void print_irq(int device, unsigned index) {
    struct vfio_irq_info info = {.argsz = sizeof info, .index = index};
    if (ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
        printf("irq %u errno %d\n", index, errno);
    else
        printf("irq %u %u %u\n", index, info.flags, info.count);
}

static void print_reset(int device) {
    size_t size = sizeof(struct vfio_pci_hot_reset_info) + 256 * sizeof(struct vfio_pci_dependent_device);
    struct vfio_pci_hot_reset_info *info = calloc(1, size);
    info->argsz = size;
    if (ioctl(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info) < 0) {
        printf("reset errno %d\n", errno);
    } else {
        for (unsigned at = 0; at < info->count; at++)
            printf("reset %u %u %u %u\n", info->devices[at].group_id, info->devices[at].segment, info->devices[at].bus, info->devices[at].devfn);
    }
    free(info);
}

int main(int argc, char **argv) {
    char path[64];
    if (argc != 3) return 2;
    snprintf(path, sizeof path, "/dev/vfio/%s", argv[1]);
    int container = open("/dev/vfio/vfio", O_RDWR), group = open(path, O_RDWR);
    if (container < 0 || group < 0) return perror("open"), 1;
    if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0) return perror("VFIO_GROUP_SET_CONTAINER"), 1;
    if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) return perror("VFIO_SET_IOMMU"), 1;
    int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[2]);
    if (device < 0) return perror("VFIO_GROUP_GET_DEVICE_FD"), 1;
    struct vfio_device_info info = {.argsz = sizeof info};
    if (ioctl(device, VFIO_DEVICE_GET_INFO, &info) < 0) return perror("VFIO_DEVICE_GET_INFO"), 1;
    printf("device %u %u %u\n", info.flags, info.num_regions, info.num_irqs);
    for (unsigned index = 0; index < info.num_regions; index++) print_region(device, index);
    for (unsigned index = 0; index < info.num_irqs; index++) print_irq(device, index);
    print_reset(device);
    return 0;
}
