// SPDX-License-Identifier: Apache-2.0
// How large the journal is. Not here: when it is measured (journal.hpp).
#pragma once

#include <cstdint>

namespace devbindd::handoff {

struct JournalSize {
  std::uint64_t bytes = 0;  ///< of the database's pages, without the write-ahead log
  std::uint64_t operations = 0;
  std::uint64_t claims = 0;
  std::uint64_t answers = 0;
  std::uint64_t audit = 0;
  std::uint64_t damaged = 0;

  bool operator==(const JournalSize&) const = default;
};

}  // namespace devbindd::handoff
