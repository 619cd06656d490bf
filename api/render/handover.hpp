// SPDX-License-Identifier: Apache-2.0
// How a consumer takes the devices of a claim: command lines of virtual machine monitors and packet frameworks,
// libvirt XML, the answers that container orchestrators want, environment files.
// Pure text from facts. Not here: the claim itself, which nodes exist, who may open them, and where a CDI file is
// written.
//
// Every format names the devices that were asked for, in their order, and nothing else: a consumer that assigns them by
// position would otherwise give a guest a companion. The nodes of companions are handed over all the same, since a
// group is opened as a whole. A document is for one backend, since a group that is open and a device node of its
// exclude each other (drivers/vfio/group.c, vfio_device_claim_group): either group nodes with /dev/vfio/vfio, or device
// nodes with /dev/iommu. No document names a node twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::api {

/// One claimed device as its consumer sees it.
struct HandedDevice {
  sysfs::PciAddress address;
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::string driver;  ///< the VFIO driver that has it
  std::optional<unsigned> iommu_group;
  bool no_iommu = false;  ///< the group's node is /dev/vfio/noiommu-N
  std::optional<int> numa_node;
  std::string group_node;     ///< "/dev/vfio/24", "" when there is none
  std::string device_node;    ///< "/dev/vfio/devices/vfio0", "" when there is none
  std::string sysfs_path;     ///< "/sys/devices/pci0000:00/..."
  std::string resource_name;  ///< for environment names, e.g. "vfio"
  bool virtual_function = false;
};

/// The two ways to open a device. Group: the group's node, which every consumer knows. Iommufd: the device's own node
/// and /dev/iommu, from kernel 6.6 on. Source: Documentation/driver-api/vfio.rst.
enum class Backend { Group, Iommufd };

struct Handover {
  std::string claim;                     ///< id of the claim, a UUID
  std::vector<HandedDevice> devices;     ///< those that were asked for, in their order
  std::vector<HandedDevice> companions;  ///< further members of their IOMMU groups that were handed over with them
  bool iommufd = false;                  ///< /dev/iommu exists
  Backend backend = Backend::Group;      ///< what a document is made for: chosen_backend()
  /// Shared by the virtual functions and whoever has their PF, without which they do not open; "" where none is needed,
  /// and in every document that others than the claim's owner may read.
  std::string vf_token = {};
};

/// What each format gives:
///
/// Qemu, CloudHypervisor, Dpdk, Spdk: JSON with
///   "arguments": argv strings to append to the command line, nothing to split or quote;
///   "nodes": the paths that the process must be able to open;
///   "devices": [{"address", "numa_node"}] of the requested ones, to place memory and threads;
///   "warnings": why the arguments would not work, for a person; usually empty;
///   "backend": "group" or "iommufd".
/// Qemu: -device vfio-pci,host=...; sysfsdev=... for a PCI domain beyond ffff, since host= refuses one (tried with QEMU
///   7.2). Iommufd needs QEMU 9 or later; its object's id contains the claim's, so that two claims fit on one command
///   line. A VF token needs QEMU 8.1 or later. Source: QEMU docs/devel/vfio-iommufd.rst, hw/vfio/pci.c (vf-token).
/// CloudHypervisor: one --device with all paths, since older versions refuse the option a second time.
///   Source: cloud-hypervisor src/main.rs: .num_args(1..), later with ArgAction::Append.
/// Dpdk: -a ADDRESS for each; --vfio-vf-token TOKEN. No iommufd: DPDK opens groups only. Source: DPDK
///   linux_eal_parameters.
/// Spdk: -A ADDRESS for each, and "env" for scripts/setup.sh: PCI_ALLOWED, and DRIVER_OVERRIDE when one driver has all
///   devices, so that the script leaves them as they are; --vfio-vf-token TOKEN. Source: SPDK lib/event/app.c,
///   scripts/setup.sh.
/// CloudHypervisor and LibvirtXml have no place for a VF token, and say so.
///
/// LibvirtXml: <hostdev managed='no'>, since with 'yes' libvirt would rebind the device itself. One device is one
///   element, as `virsh attach-device` takes it; several are in <devices>, as in a domain's XML. A PCI domain beyond
///   ffff is written as it is: libvirt's schema has 32 bits for it (basictypes.rng, pciDomain), older versions refuse
///   it. Source: libvirt formatdomain.
///
/// Cdi: a Container Device Interface file of version 0.5.0, the newest that Debian 12's podman reads, of kind
///   devbindd.io/vfio, with one device for each requested one. A node that only one of them needs is in its edits, with
///   PCIDEVICE_DEVBINDD_<RESOURCE>_<ADDRESS>=address (its own name for each device, since the runtime lets a later one
///   of the same name replace an earlier one); what several need is in the file's common edits. At least one device.
///   Source: CDI SPEC.md.
///
/// KubernetesDevicePlugin: {"envs", "devices", "cdiDevices"}, which is ContainerAllocateResponse of v1beta1 without
///   what stays empty. "cdiDevices" can be resolved only while the claim's CDI file exists; "devices" alone suffice.
/// Nomad: {"envs", "mounts", "devices"}, which is ContainerReservation of its device plugins.
/// In containers (these two and Cdi) a group is always /dev/vfio/<group>, also without IOMMU, as with
///   sriov-network-device-plugin.
///
/// Both have in "envs" PCIDEVICE_DEVBINDD_<RESOURCE>, the addresses of that resource with commas between. With a VF
/// token
///   they, Cdi and Env have DEVBINDD_VF_TOKEN.
///
/// Env: lines NAME=value that both a shell and systemd's EnvironmentFile= read: DEVBINDD_CLAIM; DEVBINDD_DEVICES,
///   DEVBINDD_GROUP_NODES and DEVBINDD_DEVICE_NODES with blanks between, one of them ""; DEVBINDD_BACKEND;
///   DEVBINDD_IOMMUFD, which is "/dev/iommu" or ""; and PCIDEVICE_DEVBINDD_<RESOURCE> as above.
enum class HandoverFormat { Qemu, CloudHypervisor, Dpdk, Spdk, LibvirtXml, Cdi, KubernetesDevicePlugin, Nomad, Env };

/// "qemu", "cloud-hypervisor", "dpdk", "spdk", "libvirt-xml", "cdi", "k8s-device-plugin", "nomad" or "env".
std::optional<HandoverFormat> handover_format_named(std::string_view name);
std::string_view name_of(HandoverFormat format);

/// All of them, in the order of the enumeration.
const std::vector<HandoverFormat>& handover_formats();

/// "group" or "iommufd".
std::string_view name_of(Backend backend);
std::optional<Backend> backend_named(std::string_view name);

/// Whether the format's consumers can take device nodes: DPDK, SPDK and Cloud Hypervisor open groups only, and libvirt
/// chooses by itself. Source: DPDK lib/eal/linux/eal_vfio.c; SPDK, which uses DPDK's; cloud-hypervisor vfio crate.
bool opens_device_nodes(HandoverFormat format);

/// What a document of that format is made for: `wanted`; without it the group, else iommufd where a group node is
/// missing. Errors: NodeNotFound when a node that the backend needs is not there, with the device and the reason.
sysfs::Result<Backend> chosen_backend(const Handover& handover, HandoverFormat format, std::optional<Backend> wanted);

/// Media type and text, with a newline at the end.
struct HandoverText {
  std::string media_type;
  std::string text;
};

/// The devices of a claim in one format. Source of each format's fields: at HandoverFormat.
HandoverText render_handover(const Handover& handover, HandoverFormat format);

}  // namespace devbindd::api
