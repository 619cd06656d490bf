// SPDX-License-Identifier: Apache-2.0
#include "vfio/container.hpp"

#include <array>

namespace devbindd::vfio {
namespace {

// Numbers 9 and 10 came with kernel 5.12; the rest are as old as their backends. 11 is not given out in linux/vfio.h.
constexpr std::array extension_table = {
    Extension{1, "type1_iommu"},
    Extension{2, "spapr_tce_iommu"},
    Extension{3, "type1v2_iommu"},
    Extension{4, "dma_cc_iommu"},
    Extension{5, "eeh"},
    Extension{6, "type1_nesting_iommu"},
    Extension{7, "spapr_tce_v2_iommu"},
    Extension{8, "noiommu_iommu"},
    Extension{9, "unmap_all"},
    Extension{10, "update_vaddr"},
};

}  // namespace

std::span<const Extension> known_extensions() { return extension_table; }

Result<ContainerFacts> container_facts(const Ioctl& ioctl) {
  auto container = ioctl.open_container();
  if (!container) return std::unexpected(container.error());
  auto version = ioctl.api_version(*container);
  if (!version) return std::unexpected(version.error());
  ContainerFacts facts{.api_version = *version, .extensions = {}};
  for (auto extension : extension_table) {
    auto answer = ioctl.check_extension(*container, extension.number);
    if (!answer) return std::unexpected(answer.error());
    extension.answer = *answer;
    facts.extensions.push_back(extension);
  }
  return facts;
}

std::string_view extension_name(unsigned long number) {
  for (const auto& extension : extension_table) {
    if (extension.number == number) return extension.name;
  }
  return "unknown";
}

}  // namespace devbindd::vfio
