// SPDX-License-Identifier: Apache-2.0
// The configuration space of a PCI function as bytes: its header, and the two linked lists of capabilities. Nothing
// here reads a device. Not here: what is in a capability (capabilities.hpp), how the bytes are got
// (handoff/worker/config_reader.hpp). Sources: PCI Local Bus 3.0, chapter 6; PCI Express Base 6.0, 7.5 and 7.6; Linux
// drivers/pci/pci.c (pci_find_capability).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/config_space/register_fields.hpp"

namespace devbindd::sysfs {

constexpr std::size_t header_bytes = 64;
constexpr std::size_t conventional_bytes = 256;
constexpr std::size_t extended_bytes = 4096;

struct ConfigSpace {
  std::vector<std::byte> bytes;          ///< what could be read, from offset 0 on
  std::optional<std::size_t> file_size;  ///< how much there is: 256, or 4096 with the extended space; nullopt: unknown

  bool operator==(const ConfigSpace&) const = default;
};

/// Why bytes are missing.
enum class MissingReason {
  Privilege,  ///< the kernel shows 64 bytes (128 of a CardBus bridge) to a reader without CAP_SYS_ADMIN
  ShortRead,  ///< the read ended early: the device vanished meanwhile, or the dump is cut off
};
std::string_view name_of(MissingReason reason);

/// nullopt: all is there.
std::optional<MissingReason> missing_reason(const ConfigSpace& config);

enum class ListProblemKind {
  AllOnes,     ///< 0xff where a capability should be: the device does not answer, or the list is broken
  Loop,        ///< the list comes back to where it was
  OutOfRange,  ///< a pointer into the header, or outside of the list's part of the space
  Truncated,   ///< the list goes on where nothing was read
  Empty,       ///< a pointer to where no capability is
};
std::string_view name_of(ListProblemKind kind);

enum class ListKind { Standard, Extended };

/// What ended a list early.
struct ListProblem {
  ListProblemKind kind = ListProblemKind::Truncated;
  ListKind list = ListKind::Standard;
  std::size_t offset = 0;  ///< where the list should have gone on
  std::string detail;

  bool operator==(const ListProblem&) const = default;
};

struct CapabilityHeader {
  ListKind list = ListKind::Standard;
  std::uint16_t id = 0;
  std::optional<unsigned> version;  ///< extended ones have it
  std::size_t offset = 0;
  std::size_t next = 0;              ///< 0: the last one
  std::span<const std::byte> bytes;  ///< from its offset to the end of what was read of the list's part of the space
};

/// The capabilities in the order of the lists, as far as the lists are good. nullopt: nothing of the list can be known,
/// because the bytes are not there.
struct CapabilityLists {
  std::optional<std::vector<CapabilityHeader>> standard;
  std::optional<std::vector<CapabilityHeader>> extended;
  std::vector<ListProblem> problems;
};

/// A read that nobody answers gives all ones. The IDs alone do not tell: those of a virtual function are all ones too.
/// Source: PCI Express Base 6.0, 9.3.4.1.1.
bool does_not_answer(const ConfigSpace& config);

/// Walks both lists; every capability is visited once at most. The bytes belong to `config`.
CapabilityLists walk_capabilities(const ConfigSpace& config);

/// The header's registers; of types 0 (device), 1 (PCI bridge) and 2 (CardBus bridge) all, of others the common ones.
struct ConfigHeader {
  Fields fields;
  std::vector<std::string_view> truncated;
};
ConfigHeader decode_header(const ConfigSpace& config);

}  // namespace devbindd::sysfs
