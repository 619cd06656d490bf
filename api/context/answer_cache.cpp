// SPDX-License-Identifier: Apache-2.0
#include "api/context/answer_cache.hpp"

#include <utility>

namespace devbindd::api {

const AnswerCache::Answer* AnswerCache::find(const std::string& asked, const Version& version) {
  begin(version);
  const auto found = answers_.find(asked);
  return found == answers_.end() ? nullptr : &found->second;
}

void AnswerCache::keep(const std::string& asked, const Version& version, Answer answer) {
  begin(version);
  const auto size = answer.body->size();
  if (size > max_bytes / 2) return;
  if (answers_.size() >= max_answers || bytes_ + size > max_bytes) {
    answers_.clear();
    bytes_ = 0;
  }
  const auto [at, is_new] = answers_.try_emplace(asked, std::move(answer));
  if (is_new) bytes_ += size;
}

void AnswerCache::begin(const Version& version) {
  const auto now = std::chrono::steady_clock::now();
  if (version == version_ && now - begun_ < longest) return;
  version_ = version;
  begun_ = now;
  answers_.clear();
  bytes_ = 0;
}

const std::string* ItemCache::find(const sysfs::PciAddress& address, const ItemState& state) const {
  const auto found = items_.find(address);
  return found == items_.end() || found->second.state != state ? nullptr : &found->second.text;
}

const std::string& ItemCache::keep(const sysfs::PciAddress& address, ItemState state, std::string text) {
  const auto [at, is_new] = items_.insert_or_assign(address, Item{std::move(state), std::move(text)});
  return at->second.text;
}

}  // namespace devbindd::api
