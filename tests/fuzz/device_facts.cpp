// SPDX-License-Identifier: Apache-2.0
// The attributes of a device: a byte chooses which one, its content ends with a zero.
#include "sysfs/device/device_facts.hpp"

#include <algorithm>

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

namespace {

void check_width(const std::optional<unsigned>& width) { must(!width || (*width >= 1 && *width <= 32)); }
void check_text(const std::optional<std::string>& text) { must(!text || !text->empty()); }

void check_link(const Link& link) {
  check_width(link.current_width);
  check_width(link.max_width);
  check_text(link.current_speed);
  check_text(link.max_speed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto& names = fact_attributes();
  auto text = devbindd::fuzz::text_of(data, size);
  std::map<std::string, std::string> attributes;
  while (!text.empty()) {
    const auto name = static_cast<unsigned char>(text.front()) % names.size();
    const auto end = std::min(text.find('\0', 1), text.size());
    attributes[names[name]] = text.substr(1, end - 1);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto facts = facts_from(attributes);
  must(facts == facts_from(attributes));
  if (facts.link) check_link(*facts.link);
  must(!facts.irq || *facts.irq != 0);
  for (const auto& value : {facts.power_state, facts.runtime_status, facts.runtime_control, facts.local_cpus,
                            facts.label, facts.removable, facts.sriov_vf_device})
    check_text(value);
  for (const auto& method : facts.reset_methods.value_or(std::vector<std::string>{}))
    must(!method.empty() && method.find(' ') == std::string::npos);
  for (const auto& [kind, counters] : facts.error_counters) must(!kind.empty() && !counters.empty());
  return 0;
}
