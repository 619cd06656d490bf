// SPDX-License-Identifier: Apache-2.0
// The answers to requests that came with a key: who asks again with the same key is told the same, and nothing is done
// twice. Kept by the journal for a day. Claims are not here: a claim knows its key itself (claim.hpp). Not here: which
// requests are kept, and when (api/context/repeated.hpp).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "handoff/journal/journal.hpp"
#include "handoff/model/operation.hpp"

namespace devbindd::handoff {

struct KeptAnswer {
  std::string request = {};  ///< what was asked, as a digest
  TimePoint at = {};
  int status = 0;
  std::string content_type = {};
  std::string body = {};
  std::string operation = {};  ///< id of the one that the answer did not wait for, "" for none
};

class KeptAnswers {
 public:
  static constexpr std::chrono::hours lasts{24};
  static constexpr std::size_t most = max_answers;        ///< the newest stay
  static constexpr std::size_t most_bytes = 32UL << 20U;  ///< of all bodies; the newest stay

  /// Takes over what an earlier daemon has kept; a row that cannot be read is given to `set_aside`.
  KeptAnswers(Journal& journal, const std::function<void(DamagedRow)>& set_aside);

  /// nullptr where there is none, or it is older than a day. `user`: whose key it is; nullopt: anybody's over TCP.
  const KeptAnswer* find(std::optional<unsigned> user, const std::string& key) const;

  /// Known at once; `done` comes when it is on disk. Error: JournalFailed, and then it is known until the daemon ends.
  void keep(std::optional<unsigned> user, const std::string& key, KeptAnswer answer,
            std::function<void(sysfs::Result<>)> done);
  void forget(std::optional<unsigned> user, const std::string& key);

 private:
  void drop_oldest();

  Journal& journal_;
  std::map<std::string, KeptAnswer> answers_;  ///< by user and key
  std::deque<std::string> order_;              ///< oldest first; may name what is gone
  std::size_t bytes_ = 0;
};

}  // namespace devbindd::handoff
