// Which devices are meant by what they are, and not by their addresses. Passive.
#pragma once

#include <optional>
#include <string>

#include "sysfs/device.hpp"

namespace devbindd::handoff {

/// What is not set matches everything.
struct Selector {
  std::optional<std::uint16_t> vendor = {};
  std::optional<std::uint16_t> device = {};
  std::string class_prefix = {};  ///< two, four or six hex digits
  std::string category = {};      ///< as sysfs::category()
  std::string driver = {};        ///< that it has now, "none" for no driver
  std::optional<unsigned> numa_node = {};
  std::optional<sysfs::PciAddress> physfn = {};  ///< VFs of this PF
  unsigned count = 1;                            ///< of a claim: how many
};

bool matches(const Selector& selector, const sysfs::Device& device);

}  // namespace devbindd::handoff
