// SPDX-License-Identifier: GPL-2.0
// A kernel module for the test machine: a driver of QEMU's teaching device that makes a PCI function below it, in a domain
// of its own, as Intel's VMD does, and gives that function a disk of memory. Both go with the driver.
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vmalloc.h>

#define DISK_BYTES (16UL << 20)

static struct pci_sysdata domain = { .domain = 0x10000, .node = NUMA_NO_NODE };
static struct resource buses = { .name = "functions below", .flags = IORESOURCE_BUS };
static struct pci_bus *bus;
static struct pci_dev *below;
static struct gendisk *disk;
static char *memory;

/* A storage controller of no class that a driver takes, with neither BARs nor capabilities. */
static const u8 header[64] = { 0x36, 0x1b, 0xfd, 0x00, [0x0a] = 0x80, [0x0b] = 0x01 };

static int read_config(struct pci_bus *of, unsigned int devfn, int where, int size, u32 *value)
{
	*value = ~0;
	if (of->number != 0 || devfn != 0)
		return PCIBIOS_DEVICE_NOT_FOUND;
	*value = 0;
	if (where + size <= (int)sizeof(header))
		memcpy(value, header + where, size);
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *of, unsigned int devfn, int where, int size, u32 value)
{
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops operations = { .read = read_config, .write = write_config };

static void submit(struct bio *bio)
{
	size_t at = bio->bi_iter.bi_sector << SECTOR_SHIFT;
	struct bvec_iter iterator;
	struct bio_vec part;

	bio_for_each_segment(part, bio, iterator) {
		char *data = bvec_kmap_local(&part);

		if (op_is_write(bio_op(bio)))
			memcpy(memory + at, data, part.bv_len);
		else
			memcpy(data, memory + at, part.bv_len);
		kunmap_local(data);
		at += part.bv_len;
	}
	bio_endio(bio);
}

static const struct block_device_operations disk_operations = { .owner = THIS_MODULE, .submit_bio = submit };

static int make_disk(struct device *parent)
{
	int error;

	memory = vzalloc(DISK_BYTES);
	if (!memory)
		return -ENOMEM;
	disk = blk_alloc_disk(NUMA_NO_NODE);
	if (!disk) {
		vfree(memory);
		return -ENOMEM;
	}
	disk->fops = &disk_operations;
	strscpy(disk->disk_name, "below0", sizeof(disk->disk_name));
	set_capacity(disk, DISK_BYTES >> SECTOR_SHIFT);
	error = device_add_disk(parent, disk, NULL);
	if (error) {
		put_disk(disk);
		vfree(memory);
	}
	return error;
}

static void remove_bus(void)
{
	pci_lock_rescan_remove();
	pci_stop_root_bus(bus);
	pci_remove_root_bus(bus);
	pci_unlock_rescan_remove();
}

static int probe(struct pci_dev *device, const struct pci_device_id *id)
{
	LIST_HEAD(resources);
	int error = -ENODEV;

	domain.vmd_dev = device; /* whose IOMMU group and requester ID it has */
	pci_add_resource(&resources, &buses);
	pci_lock_rescan_remove();
	bus = pci_create_root_bus(&device->dev, 0, &operations, &domain, &resources);
	if (bus) {
		pci_scan_child_bus(bus);
		pci_bus_add_devices(bus);
	}
	pci_unlock_rescan_remove();
	if (!bus) {
		pci_free_resource_list(&resources);
		return -ENOMEM;
	}
	below = pci_get_slot(bus, 0);
	if (below)
		error = make_disk(&below->dev);
	if (error) {
		pci_dev_put(below);
		remove_bus();
	}
	return error;
}

static void remove(struct pci_dev *device)
{
	del_gendisk(disk);
	put_disk(disk);
	vfree(memory);
	pci_dev_put(below);
	remove_bus();
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };
static struct pci_driver maker = { .name = "functions_below", .id_table = ids, .probe = probe, .remove = remove };
module_pci_driver(maker);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PCI functions below a function that is not a bridge, for tests");
