// SPDX-License-Identifier: Apache-2.0
// The kernel's answers to an active probe. The input is a list of answers: a byte for the question, one for the errno,
// one for the length in words of 4 bytes, and the bytes.
#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "tests/fuzz/fuzz.hpp"
#include "vfio/probe.hpp"

namespace {

using namespace devbindd::vfio;
using devbindd::fuzz::must;

constexpr std::array<const char*, 16> questions = {"region/",    "irq/",        "feature_get/",    "feature_set/",
                                                   "extension/", "region/8",    "irq/99999999999", "hot_reset",
                                                   "iommu_info", "ioas_ranges", "hw_info",         "group_status",
                                                   "migration",  "device_info", "region",          ""};
constexpr std::size_t with_index = 5;  // so many of them take one

std::vector<RawAnswer> answers_in(const std::uint8_t* data, std::size_t size) {
  std::vector<RawAnswer> answers;
  while (size >= 3) {
    const auto chosen = data[0] % questions.size();
    std::string question = questions[chosen];
    if (chosen < with_index) question += std::to_string(data[0] / questions.size());
    const auto length = std::min<std::size_t>(data[2] * 4U, size - 3);
    const auto* bytes = reinterpret_cast<const std::byte*>(data + 3);
    answers.push_back({std::move(question), data[1] % 4 == 3 ? data[1] : 0, {bytes, bytes + length}});
    data += 3 + length;
    size -= 3 + length;
  }
  return answers;
}

std::size_t areas_in(const Region& region) {
  std::size_t count = 0;
  for (const auto& capability : region.capabilities) count += capability.areas.size();
  return count;
}

// What may be mapped is all of the region, or something that the sparse capability names.
void check_mappable(const Region& region) {
  const auto found = mappable(region);
  must(!found.reason.empty());
  must(found.areas.empty() || (region.present && (region.flags & region_mappable) != 0 && region.size > 0));
  const auto sparse = std::ranges::find(region.capabilities, capability_sparse_mmap, &RegionCapability::id);
  for (const auto& area : found.areas) {
    must(area.size > 0);
    if (sparse == region.capabilities.end()) {
      must(area == SparseArea{0, region.size} && found.areas.size() == 1);
    } else {
      must(std::ranges::find(sparse->areas, area) != sparse->areas.end());
    }
  }
}

void check_region(const Region& region, std::size_t longest) {
  must(region.capabilities.size() <= 64);
  must(areas_in(region) <= 64 * longest / 16);
  for (const auto& capability : region.capabilities) {
    must(capability.areas.empty() || capability.id == capability_sparse_mmap);
    must(capability.areas.size() * 16 <= longest);
    must(capability.length <= longest);
    must(capability.type.has_value() == capability.subtype.has_value());
  }
  must((region.flags & region_has_capabilities) != 0 || (region.capabilities.empty() && region.problems.empty()));
  must(region.problems.size() <= 65);
  check_mappable(region);
  (void)region_name(region.index);
  (void)region_flag_names(region.flags);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto answers = answers_in(data, size);
  std::size_t longest = 0;
  std::size_t total = 0;
  bool too_short = false;
  for (const auto& answer : answers) {
    longest = std::max(longest, answer.bytes.size());
    total += answer.bytes.size();
    const bool region = answer.question.starts_with("region/");
    const bool irq = answer.question.starts_with("irq/");
    too_short |= answer.errno_value == 0 && ((region && answer.bytes.size() < 32) || (irq && answer.bytes.size() < 16));
  }
  const auto report = parse_probe(answers);
  must(report.has_value() != too_short);
  if (!report) return 0;
  for (const auto& region : report->regions) check_region(region, longest);
  must(report->reset_neighbours.size() * 8 <= total);
  for (const auto& neighbour : report->reset_neighbours) must(neighbour.slot < 32 && neighbour.function < 8);
  std::set<unsigned> features;
  for (const auto& feature : report->features) {
    must(features.insert(feature.index).second && (feature.get || feature.set));
    must(!feature_name(feature.index).empty());
  }
  if (report->iommu) must(report->iommu->iova_ranges.size() <= 64 * total / 16);
  must(report->regions.size() + report->irqs.size() + report->extensions.size() <= answers.size());
  return 0;
}
