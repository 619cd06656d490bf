// SPDX-License-Identifier: GPL-2.0
// A kernel module for the test machine: gives a PCI physical function a network interface that keeps settings of its
// virtual functions, as drivers of real NICs do and no emulated device here does. The settings go with the functions.
// Parameter: pf=DDDD:BB:DD.F. Spoof checking and the MAC follow igb (zero clears the MAC); "query_rss" is not supported.
#include <linux/etherdevice.h>
#include <linux/if_link.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>

#define MOST 64

static char *pf = "";
module_param(pf, charp, 0444);
static int refuse_trust;
module_param(refuse_trust, int, 0644);

static struct pci_dev *physical;
static struct net_device *interface;
static struct ifla_vf_info settings[MOST];

static void make_anew(void)
{
	int index;

	for (index = 0; index < MOST; ++index) {
		settings[index] = (struct ifla_vf_info){ .vf = index, .spoofchk = 1, .rss_query_en = -1 };
		settings[index].vlan_proto = htons(ETH_P_8021Q);
	}
}

static bool is_there(int vf)
{
	return vf >= 0 && vf < MOST && vf < pci_num_vf(physical);
}

static int get_config(struct net_device *dev, int vf, struct ifla_vf_info *info)
{
	if (!is_there(vf))
		return -EINVAL;
	*info = settings[vf];
	return 0;
}

static int set_mac(struct net_device *dev, int vf, u8 *mac)
{
	if (!is_there(vf) || is_multicast_ether_addr(mac))
		return -EINVAL;
	memcpy(settings[vf].mac, mac, ETH_ALEN);
	return 0;
}

static int set_vlan(struct net_device *dev, int vf, u16 vlan, u8 qos, __be16 proto)
{
	if (!is_there(vf) || vlan > 4095 || qos > 7)
		return -EINVAL;
	if (proto != htons(ETH_P_8021Q) && proto != htons(ETH_P_8021AD))
		return -EPROTONOSUPPORT;
	settings[vf].vlan = vlan;
	settings[vf].qos = qos;
	settings[vf].vlan_proto = proto;
	return 0;
}

static int set_rate(struct net_device *dev, int vf, int least, int most)
{
	if (!is_there(vf))
		return -EINVAL;
	settings[vf].min_tx_rate = least;
	settings[vf].max_tx_rate = most;
	return 0;
}

static int set_spoofchk(struct net_device *dev, int vf, bool on)
{
	if (!is_there(vf))
		return -EINVAL;
	settings[vf].spoofchk = on;
	return 0;
}

static int set_state(struct net_device *dev, int vf, int state)
{
	if (!is_there(vf))
		return -EINVAL;
	settings[vf].linkstate = state;
	return 0;
}

static int set_trust(struct net_device *dev, int vf, bool on)
{
	if (!is_there(vf))
		return -EINVAL;
	if (refuse_trust)
		return -EPERM;
	settings[vf].trusted = on;
	return 0;
}

static netdev_tx_t transmit(struct sk_buff *packet, struct net_device *dev)
{
	dev_kfree_skb(packet);
	return NETDEV_TX_OK;
}

static const struct net_device_ops operations = {
	.ndo_start_xmit = transmit,
	.ndo_get_vf_config = get_config,
	.ndo_set_vf_mac = set_mac,
	.ndo_set_vf_vlan = set_vlan,
	.ndo_set_vf_rate = set_rate,
	.ndo_set_vf_spoofchk = set_spoofchk,
	.ndo_set_vf_link_state = set_state,
	.ndo_set_vf_trust = set_trust,
};

static int on_change(struct notifier_block *block, unsigned long action, void *data)
{
	struct pci_dev *device = to_pci_dev(data);

	if (action == BUS_NOTIFY_DEL_DEVICE && device->is_virtfn && pci_physfn(device) == physical)
		make_anew();
	return NOTIFY_OK;
}

static struct notifier_block watch = { .notifier_call = on_change };

static int __init enter(void)
{
	unsigned int domain, bus, slot, function;
	int error;

	if (sscanf(pf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	physical = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!physical)
		return -ENODEV;
	interface = alloc_etherdev(0);
	if (!interface) {
		pci_dev_put(physical);
		return -ENOMEM;
	}
	make_anew();
	interface->netdev_ops = &operations;
	eth_hw_addr_random(interface);
	SET_NETDEV_DEV(interface, &physical->dev);
	error = register_netdev(interface);
	if (error) {
		free_netdev(interface);
		pci_dev_put(physical);
		return error;
	}
	bus_register_notifier(&pci_bus_type, &watch);
	return 0;
}

static void __exit leave(void)
{
	bus_unregister_notifier(&pci_bus_type, &watch);
	unregister_netdev(interface);
	free_netdev(interface);
	pci_dev_put(physical);
}

module_init(enter);
module_exit(leave);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Settings of virtual functions, for tests");
