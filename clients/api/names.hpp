// SPDX-License-Identifier: Apache-2.0
// How people write devices, IOMMU groups, claims and times. Nothing here asks the daemon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace devbindd::clients {

/// The full address (0000:05:00.0) of 0000:05:00.0, 05:00.0, 5:0, 5:0.1, 10000:1:0: domain and function are 0 where
/// left out. nullopt when the text is not an address.
std::optional<std::string> full_address(std::string_view text);

/// The number of an IOMMU group: 26, group:26 or /dev/vfio/26.
std::optional<std::uint32_t> group_number(std::string_view text);

/// Whether it is a claim's id, /v1/claims/ID, or the first eight or more characters of an id.
std::optional<std::string> claim_id(std::string_view text);

/// Seconds of 90, 90s, 5m, 2h, 1d.
std::optional<std::uint64_t> seconds_of(std::string_view text);

/// Bytes of 4096, 4K, 512M, 8G, 1T, with or without a B or iB behind it.
std::optional<std::uint64_t> size_of(std::string_view text);

/// The pairs of "vendor=8086,device=10d3". A part without "=" belongs to the value before it: "driver=nvme,vfio-pci" is
/// one pair.
std::vector<std::string> pairs_in(std::string_view text);

/// Whether a name fits a pattern of a shell.
bool fits_pattern(const std::string& name, const std::string& pattern);

}  // namespace devbindd::clients
