// SPDX-License-Identifier: Apache-2.0
#include "vfio/node_name.hpp"

#include "sysfs/kernel/fields.hpp"

namespace devbindd::vfio {
namespace {

std::optional<std::string_view> rest_of(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  return path.substr(prefix.size());
}

}  // namespace

std::optional<NodeName> node_named(std::string_view path) {
  if (path == "/dev/vfio/vfio" || path == "/dev/iommu") return NodeName{};
  const auto numbered = [](std::optional<std::string_view> text, NodeName::Kind kind) -> std::optional<NodeName> {
    const auto number = text ? sysfs::number_from<std::uint32_t>(*text) : std::nullopt;
    return number ? std::optional(NodeName{kind, *number}) : std::nullopt;
  };
  if (auto node = numbered(rest_of(path, "/dev/vfio/devices/vfio"), NodeName::Kind::Device)) return node;
  if (auto node = numbered(rest_of(path, "/dev/vfio/noiommu-"), NodeName::Kind::Group)) return node;
  return numbered(rest_of(path, "/dev/vfio/"), NodeName::Kind::Group);
}

}  // namespace devbindd::vfio
