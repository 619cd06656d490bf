// SPDX-License-Identifier: Apache-2.0
// The understanding of a probe's answers: pure, bounded, fuzzed.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "vfio/probe.hpp"

namespace devbindd::vfio {
namespace {

template <class Number>
std::optional<Number> at(const Bytes& bytes, std::size_t offset) {
  if (offset > bytes.size() || sizeof(Number) > bytes.size() - offset) return std::nullopt;
  Number value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The number behind the slash of "region/3".
unsigned index_of(const std::string& question) {
  unsigned index = 0;
  const auto slash = question.find('/');
  if (slash != std::string::npos)
    std::from_chars(question.data() + slash + 1, question.data() + question.size(), index);
  return index;
}

sysfs::Result<> add_region(const RawAnswer& answer, ProbeReport& report) {
  const auto index = index_of(answer.question);
  if (answer.errno_value != 0) {
    report.regions.push_back({.index = index,
                              .present = false,
                              .errno_value = answer.errno_value,
                              .flags = 0,
                              .size = 0,
                              .offset = 0,
                              .capabilities = {},
                              .problems = {}});
    return {};
  }
  auto region = parse_region_info(index, answer.bytes);
  if (!region) return std::unexpected(region.error());
  report.regions.push_back(std::move(*region));
  return {};
}

sysfs::Result<> add_irq(const RawAnswer& answer, ProbeReport& report) {
  const auto index = index_of(answer.question);
  if (answer.errno_value != 0) {
    report.irqs.push_back(
        {.index = index, .present = false, .errno_value = answer.errno_value, .flags = 0, .count = 0});
    return {};
  }
  auto irq = parse_irq_info(index, answer.bytes);
  if (!irq) return std::unexpected(irq.error());
  report.irqs.push_back(*irq);
  return {};
}

// struct vfio_pci_hot_reset_info: argsz, flags, count; then group_id (u32), segment (u16), bus, devfn (u8)
void add_hot_reset(const RawAnswer& answer, ProbeReport& report) {
  report.reset_errno = answer.errno_value;
  report.reset_by_device_id = (at<std::uint32_t>(answer.bytes, 4).value_or(0) & 1U) != 0;
  const auto count = at<std::uint32_t>(answer.bytes, 8).value_or(0);
  for (std::uint32_t entry = 0; entry < count; ++entry) {
    const auto offset = 12 + std::size_t{entry} * 8;
    const auto devfn = at<std::uint8_t>(answer.bytes, offset + 7);
    if (!devfn) return;
    report.reset_neighbours.push_back({.group_or_device = *at<std::uint32_t>(answer.bytes, offset),
                                       .segment = *at<std::uint16_t>(answer.bytes, offset + 4),
                                       .bus = *at<std::uint8_t>(answer.bytes, offset + 6),
                                       .slot = static_cast<std::uint8_t>(*devfn >> 3U),
                                       .function = static_cast<std::uint8_t>(*devfn & 7U)});
  }
}

void add_feature(const RawAnswer& answer, bool get, ProbeReport& report) {
  // ENOTTY is the answer for a feature that is not there; later kernels say EINVAL for some.
  if (answer.errno_value != 0) return;
  const auto index = index_of(answer.question);
  auto known = std::ranges::find(report.features, index, &DeviceFeature::index);
  if (known == report.features.end())
    known = report.features.insert(known, {.index = index, .get = false, .set = false});
  (get ? known->get : known->set) = true;
}

// struct vfio_iommu_type1_info: argsz, flags (u32), iova_pgsizes (u64), cap_offset (u32); then the chain
void add_iommu(const RawAnswer& answer, ProbeReport& report) {
  constexpr std::size_t fixed = 20;
  if (answer.errno_value != 0) return;
  IommuInfo info;
  info.page_sizes = at<std::uint64_t>(answer.bytes, 8);
  const bool has_chain = (at<std::uint32_t>(answer.bytes, 4).value_or(0) & 2U) != 0;
  std::size_t offset = has_chain ? at<std::uint32_t>(answer.bytes, 16).value_or(0) : 0;
  std::size_t least = fixed;
  for (int link = 0; link < 64 && offset >= least; ++link) {
    const auto id = at<std::uint16_t>(answer.bytes, offset);
    const auto next = at<std::uint32_t>(answer.bytes, offset + 4);
    if (!id || !next) break;
    if (*id == 1) {  // IOVA ranges: count, reserved (u32), then start and end (u64)
      const auto count = at<std::uint32_t>(answer.bytes, offset + 8).value_or(0);
      for (std::uint32_t range = 0; range < count; ++range) {
        const auto start = at<std::uint64_t>(answer.bytes, offset + 16 + std::size_t{range} * 16);
        const auto end = at<std::uint64_t>(answer.bytes, offset + 24 + std::size_t{range} * 16);
        if (!start || !end) break;
        info.iova_ranges.push_back({*start, *end - *start + 1});
      }
    }
    if (*id == 3) info.dma_available = at<std::uint32_t>(answer.bytes, offset + 8);
    least = offset + 8;
    offset = *next;
  }
  report.iommu = std::move(info);
}

// The alignment (u64), then start and last (u64) of each range.
void add_ranges(const RawAnswer& answer, ProbeReport& report) {
  const auto alignment = at<std::uint64_t>(answer.bytes, 0);
  if (answer.errno_value != 0 || !alignment) return;
  auto& info = report.iommu ? *report.iommu : report.iommu.emplace();
  info.alignment = alignment;
  for (std::size_t offset = 8;; offset += 16) {
    const auto start = at<std::uint64_t>(answer.bytes, offset);
    const auto last = at<std::uint64_t>(answer.bytes, offset + 8);
    if (!start || !last) return;
    info.iova_ranges.push_back({*start, *last - *start + 1});
  }
}

// struct iommu_hw_info: out_data_type (u32) at 24, out_capabilities (u64) at 32
void add_hardware(const RawAnswer& answer, ProbeReport& report) {
  if (answer.errno_value != 0) return;
  auto& info = report.iommu ? *report.iommu : report.iommu.emplace();
  info.hardware_type = at<std::uint32_t>(answer.bytes, 24);
  info.capabilities = at<std::uint64_t>(answer.bytes, 32);
}

sysfs::Result<> add(const RawAnswer& answer, ProbeReport& report) {
  const auto& question = answer.question;
  if (question.starts_with("region/")) return add_region(answer, report);
  if (question.starts_with("irq/")) return add_irq(answer, report);
  if (question.starts_with("feature_get/")) add_feature(answer, true, report);
  if (question.starts_with("feature_set/")) add_feature(answer, false, report);
  if (question == "hot_reset") add_hot_reset(answer, report);
  if (question == "iommu_info") add_iommu(answer, report);
  if (question == "ioas_ranges") add_ranges(answer, report);
  if (question == "hw_info") add_hardware(answer, report);
  if (question.starts_with("extension/"))
    report.extensions.emplace_back(index_of(question), at<std::int32_t>(answer.bytes, 0).value_or(0));
  if (question == "group_status") report.group_flags = at<std::uint32_t>(answer.bytes, 4);
  if (question == "migration" && answer.errno_value == 0) report.migration_flags = at<std::uint64_t>(answer.bytes, 8);
  if (question == "device_info") {
    report.device_flags = at<std::uint32_t>(answer.bytes, 4).value_or(0);
    report.region_count = at<std::uint32_t>(answer.bytes, 8).value_or(0);
    report.irq_count = at<std::uint32_t>(answer.bytes, 12).value_or(0);
  }
  return {};
}

}  // namespace

sysfs::Result<ProbeReport> parse_probe(const std::vector<RawAnswer>& answers) {
  ProbeReport report;
  for (const auto& answer : answers) {
    if (auto done = add(answer, report); !done) return std::unexpected(done.error());
  }
  return report;
}

std::string feature_name(unsigned index) {
  constexpr std::array<std::string_view, 14> names = {"vf_token",
                                                      "migration",
                                                      "migration_device_state",
                                                      "low_power_entry",
                                                      "low_power_entry_with_wakeup",
                                                      "low_power_exit",
                                                      "dma_logging_start",
                                                      "dma_logging_stop",
                                                      "dma_logging_report",
                                                      "migration_data_size",
                                                      "bus_master",
                                                      "dma_buf",
                                                      "precopy_info_v2",
                                                      "zpci_error"};
  return index < names.size() ? std::string(names[index]) : "feature_" + std::to_string(index);
}

}  // namespace devbindd::vfio
