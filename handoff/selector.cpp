#include "handoff/selector.hpp"

namespace devbindd::handoff {
namespace {

template <class T>
bool fits(const std::optional<T>& wanted, const std::optional<T>& value) {
  return !wanted || wanted == value;
}

}  // namespace

bool matches(const Selector& selector, const sysfs::Device& device) {
  const auto driver = device.driver ? device.driver->text() : std::string("none");
  return fits(selector.vendor, std::optional(device.vendor)) && fits(selector.device, std::optional(device.device)) &&
         sysfs::class_text(device).starts_with(selector.class_prefix) &&
         (selector.category.empty() || selector.category == sysfs::category(device)) &&
         (selector.driver.empty() || selector.driver == driver) && fits(selector.numa_node, device.numa_node) &&
         fits(selector.physfn, device.physfn);
}

}  // namespace devbindd::handoff
