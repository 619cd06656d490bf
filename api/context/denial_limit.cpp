// SPDX-License-Identifier: Apache-2.0
#include "api/context/denial_limit.hpp"

#include <utility>

namespace devbindd::api {
namespace {

constexpr std::chrono::minutes window{1};

}  // namespace

std::optional<std::size_t> DenialLimit::take(const std::string& user, Time now) {
  // Who is quiet, with nothing left to tell, is forgotten: there are as many users as there are numbers.
  if (!users_.contains(user))
    std::erase_if(
        users_, [now](const auto& known) { return now - known.second.began >= window && known.second.left_out == 0; });
  const auto& name = users_.contains(user) || users_.size() < most_users ? user : std::string{};
  auto& minute = users_.try_emplace(name, Minute{.began = now}).first->second;
  if (now - minute.began >= window) minute = {.began = now, .left_out = minute.left_out};
  if (minute.lines >= most_each) {
    ++minute.left_out;
    return std::nullopt;
  }
  ++minute.lines;
  return std::exchange(minute.left_out, 0);
}

}  // namespace devbindd::api
