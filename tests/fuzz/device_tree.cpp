// SPDX-License-Identifier: Apache-2.0
// The IOMMU properties of a device tree. The input is a list of contents, each with its length in the first byte.
#include <algorithm>

#include "sysfs/firmware/firmware_structure.hpp"
#include "tests/fuzz/file_tree.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

namespace {

const std::string root = "sys/firmware/devicetree/base";

class PropertyTree final : public devbindd::fuzz::FileTree {
 public:
  Result<std::optional<NodeStatus>> status(std::string_view path) const override {
    NodeStatus found;
    found.directory = !files.contains(std::string(path));
    return std::optional(found);
  }
};

std::string next_content(std::string_view& text) {
  if (text.empty()) return {};
  const auto size = std::min<std::size_t>(static_cast<unsigned char>(text.front()), text.size() - 1);
  std::string content(text.substr(1, size));
  text.remove_prefix(1 + size);
  return content;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = devbindd::fuzz::text_of(data, size);
  PropertyTree tree;
  for (const auto* name :
       {"/#address-cells", "/iommu@1/#iommu-cells", "/iommu@1/phandle", "/iommu@1/reg", "/iommu@1/compatible",
        "/soc/ranges", "/soc/#address-cells", "/soc/iommu@2/#iommu-cells", "/soc/iommu@2/phandle", "/soc/iommu@2/reg",
        "/soc/gpu/iommus", "/pcie/iommu-map", "/pcie/iommu-map-mask", "/pcie/linux,pci-domain", "/other/iommu-map"})
    tree.files[root + name] = next_content(text);
  const auto found = read_device_tree(tree);
  must(found.has_value());
  must(found->units.size() == 2);
  must(found->users.size() <= size && found->maps.size() <= size);
  for (const auto& user : found->users) must(user.phandle != 0);
  for (const auto& problem : found->problems) must(!problem.path.empty() && !problem.detail.empty());
  FirmwareTables tables;
  tables.device_tree = found;
  const auto description = describe(tables);
  must(description.structures.size() == 2 && description.memory.empty());
  for (const auto& structure : description.structures) {
    for (const auto& scope : structure.scopes) must(!scope.first || scope.last);
  }
  return 0;
}
