// SPDX-License-Identifier: Apache-2.0
// Names of formats and backends, the choice of the backend, and which renderer has which format. Each family of formats
// has a file of its own: handover_*.cpp.
#include "api/render/handover.hpp"

#include <algorithm>
#include <array>

#include "api/render/handover_command_lines.hpp"
#include "api/render/handover_containers.hpp"
#include "api/render/handover_environment.hpp"
#include "api/render/handover_libvirt.hpp"

namespace devbindd::api {
namespace {

using sysfs::to_string;

struct FormatName {
  HandoverFormat format;
  std::string_view name;
};

constexpr std::array format_names = {
    FormatName{HandoverFormat::Qemu, "qemu"},
    FormatName{HandoverFormat::CloudHypervisor, "cloud-hypervisor"},
    FormatName{HandoverFormat::Dpdk, "dpdk"},
    FormatName{HandoverFormat::Spdk, "spdk"},
    FormatName{HandoverFormat::LibvirtXml, "libvirt-xml"},
    FormatName{HandoverFormat::Cdi, "cdi"},
    FormatName{HandoverFormat::KubernetesDevicePlugin, "k8s-device-plugin"},
    FormatName{HandoverFormat::Nomad, "nomad"},
    FormatName{HandoverFormat::Env, "env"},
};

// Which node the backend lacks; nullopt when all are there.
std::optional<std::string> missing(const Handover& handover, Backend backend) {
  if (backend == Backend::Iommufd && !handover.iommufd)
    return "there is no /dev/iommu on this host: its kernel was built without iommufd, or the module is not loaded";
  const auto node = backend == Backend::Group ? &HandedDevice::group_node : &HandedDevice::device_node;
  for (const auto& device : handover.devices) {
    if (!(device.*node).empty()) continue;
    return to_string(device.address) + (backend == Backend::Group
                                            ? " has no group node: the kernel was built without CONFIG_VFIO_GROUP"
                                            : " has no node in /dev/vfio/devices: the kernel or the driver has none");
  }
  return std::nullopt;
}

}  // namespace

std::optional<HandoverFormat> handover_format_named(std::string_view name) {
  const auto found = std::ranges::find(format_names, name, &FormatName::name);
  if (found == format_names.end()) return std::nullopt;
  return found->format;
}

std::string_view name_of(HandoverFormat format) {
  const auto found = std::ranges::find(format_names, format, &FormatName::format);
  return found == format_names.end() ? std::string_view() : found->name;
}

const std::vector<HandoverFormat>& handover_formats() {
  static const auto formats = [] {
    std::vector<HandoverFormat> list;
    for (const auto& entry : format_names) list.push_back(entry.format);
    return list;
  }();
  return formats;
}

std::string_view name_of(Backend backend) { return backend == Backend::Group ? "group" : "iommufd"; }

std::optional<Backend> backend_named(std::string_view name) {
  for (const auto backend : {Backend::Group, Backend::Iommufd}) {
    if (name == name_of(backend)) return backend;
  }
  return std::nullopt;
}

bool opens_device_nodes(HandoverFormat format) {
  constexpr std::array groups_only = {HandoverFormat::CloudHypervisor, HandoverFormat::Dpdk, HandoverFormat::Spdk,
                                      HandoverFormat::LibvirtXml};
  return std::ranges::find(groups_only, format) == groups_only.end();
}

sysfs::Result<Backend> chosen_backend(const Handover& handover, HandoverFormat format, std::optional<Backend> wanted) {
  const auto missing_group = missing(handover, Backend::Group);
  // A consumer that opens groups only gets its document all the same, with a warning in it.
  if (!wanted && (!missing_group || !opens_device_nodes(format))) return Backend::Group;
  const auto backend = wanted.value_or(Backend::Iommufd);
  const auto why_not = backend == Backend::Group ? missing_group : missing(handover, Backend::Iommufd);
  if (why_not) return sysfs::fail(sysfs::ErrorCode::NodeNotFound, *why_not);
  return backend;
}

HandoverText render_handover(const Handover& handover, HandoverFormat format) {
  switch (format) {
    case HandoverFormat::Qemu: return render_qemu(handover);
    case HandoverFormat::CloudHypervisor: return render_cloud_hypervisor(handover);
    case HandoverFormat::Dpdk: return render_dpdk(handover);
    case HandoverFormat::Spdk: return render_spdk(handover);
    case HandoverFormat::LibvirtXml: return render_libvirt_xml(handover);
    case HandoverFormat::Cdi: return render_cdi(handover);
    case HandoverFormat::KubernetesDevicePlugin: return render_kubernetes_device_plugin(handover);
    case HandoverFormat::Nomad: return render_nomad(handover);
    case HandoverFormat::Env: return render_env(handover);
  }
  return {};
}

}  // namespace devbindd::api
