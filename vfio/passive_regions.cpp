// SPDX-License-Identifier: Apache-2.0
#include "vfio/passive_regions.hpp"

#include <algorithm>

namespace devbindd::vfio {
namespace {

constexpr std::uint64_t page_size = 4096;
constexpr unsigned offset_shift = 40;  // VFIO_PCI_OFFSET_SHIFT
constexpr std::uint16_t capability_msi = 0x05;
constexpr std::uint16_t capability_msix = 0x11;
constexpr std::uint16_t capability_express = 0x10;
constexpr std::size_t interrupt_pin = 0x3d;

constexpr std::uint32_t irq_eventfd = 1;
constexpr std::uint32_t irq_maskable = 2;
constexpr std::uint32_t irq_automasked = 4;
constexpr std::uint32_t irq_noresize = 8;

std::optional<std::uint32_t> number_at(std::span<const std::byte> bytes, std::size_t offset, std::size_t size) {
  if (offset + size > bytes.size()) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t at = 0; at < size; ++at) value |= std::to_integer<std::uint32_t>(bytes[offset + at]) << (8 * at);
  return value;
}

Region empty_region(unsigned index) {
  Region region;
  region.index = index;
  region.offset = std::uint64_t{index} << offset_shift;
  return region;
}

Region bar_region(unsigned index, const std::vector<sysfs::Resource>& resources,
                  const std::optional<MsixTable>& table) {
  auto region = empty_region(index);
  const auto* bar = sysfs::find_bar(resources, index);
  if (bar == nullptr) return region;
  region.size = bar->size;
  region.flags = region_readable | region_writable;
  if (bar->io || bar->unassigned || bar->size < page_size) return region;
  region.flags |= region_mappable;
  if (table && table->bar == index) {
    region.flags |= region_has_capabilities;
    region.capabilities.push_back(
        {.id = capability_msix_mappable, .version = 1, .areas = {}, .type = {}, .subtype = {}, .length = 0});
  }
  return region;
}

Region rom_region(const std::vector<sysfs::Resource>& resources) {
  auto region = empty_region(6);
  const auto* rom = sysfs::find_rom(resources);
  if (rom == nullptr) return region;
  region.size = rom->size;
  region.flags = region_readable;
  return region;
}

Region config_region(const sysfs::ConfigSpace& config) {
  auto region = empty_region(7);
  region.size = config.file_size.value_or(config.bytes.size());
  region.flags = region_readable | region_writable;
  return region;
}

const sysfs::CapabilityHeader* find(const sysfs::CapabilityLists& lists, std::uint16_t id) {
  if (!lists.standard) return nullptr;
  const auto found = std::ranges::find(*lists.standard, id, &sysfs::CapabilityHeader::id);
  return found == lists.standard->end() ? nullptr : &*found;
}

// Message Control at 2, Table Offset and BIR at 4, PBA Offset and BIR at 8 (PCI 3.0, 6.8.2).
void read_msix(const sysfs::CapabilityHeader* msix, PassiveReport& report, std::uint32_t& vectors) {
  if (msix == nullptr) return;
  const auto control = number_at(msix->bytes, 2, 2);
  const auto table = number_at(msix->bytes, 4, 4);
  const auto pending = number_at(msix->bytes, 8, 4);
  if (!control || !table || !pending) return;
  vectors = (*control & 0x7ffU) + 1;
  report.msix_table = MsixTable{*table & 7U, *table & ~7U, std::uint64_t{vectors} * 16};
  report.msix_pending = MsixTable{*pending & 7U, *pending & ~7U, (std::uint64_t{vectors} + 63) / 64 * 8};
}

std::uint32_t msi_vectors(const sysfs::CapabilityHeader* msi) {
  if (msi == nullptr) return 0;
  const auto control = number_at(msi->bytes, 2, 2);
  return control ? 1U << ((*control >> 1U) & 7U) : 0;
}

// Why the standard list of capabilities is not known to its end. Privilege has to be told from a device that does not
// answer: both leave nothing but the header, and only one of them can be helped with a capability of the process.
std::string why_unknown(const sysfs::ConfigSpace& config, const sysfs::CapabilityLists& lists) {
  if (sysfs::does_not_answer(config)) {
    return "the device does not answer: its config space reads as all ones (it is without power, held in a reset, or "
           "gone)";
  }
  if (const auto reason = sysfs::missing_reason(config)) {
    if (*reason == sysfs::MissingReason::Privilege)
      return "the capabilities in config space could not be read: that needs CAP_SYS_ADMIN";
    return "the read of config space ended early, after " + std::to_string(config.bytes.size()) +
           " bytes: the device may have gone meanwhile";
  }
  for (const auto& problem : lists.problems) {
    if (problem.list == sysfs::ListKind::Standard) return "the capabilities cannot be followed: " + problem.detail;
  }
  return lists.standard ? std::string{} : "config space holds no list of capabilities that can be read";
}

Irq irq(unsigned index, std::uint32_t count, std::uint32_t flags) {
  return {.index = index, .present = true, .errno_value = 0, .flags = flags, .count = count};
}

}  // namespace

PassiveReport passive_report(const std::vector<sysfs::Resource>& resources, const sysfs::ConfigSpace& config,
                             bool virtual_function) {
  PassiveReport report;
  const auto lists = sysfs::walk_capabilities(config);
  report.unknown_because = why_unknown(config, lists);
  std::uint32_t msix_vectors = 0;
  read_msix(find(lists, capability_msix), report, msix_vectors);
  for (unsigned index = 0; index < 6; ++index)
    report.regions.push_back(bar_region(index, resources, report.msix_table));
  report.regions.push_back(rom_region(resources));
  report.regions.push_back(config_region(config));
  auto vga = empty_region(8);
  vga.present = false;
  report.regions.push_back(vga);
  const bool answers = !sysfs::does_not_answer(config);
  const bool pin = answers && !virtual_function && number_at(config.bytes, interrupt_pin, 1).value_or(0) != 0;
  const bool express = find(lists, capability_express) != nullptr;
  report.irqs = {irq(0, pin ? 1 : 0, irq_eventfd | irq_maskable | irq_automasked),
                 irq(1, msi_vectors(find(lists, capability_msi)), irq_eventfd | irq_noresize),
                 irq(2, msix_vectors, irq_eventfd | irq_noresize), irq(3, express ? 1 : 0, irq_eventfd | irq_noresize),
                 irq(4, 1, irq_eventfd | irq_noresize)};
  report.irqs[3].present = express;
  return report;
}

}  // namespace devbindd::vfio
