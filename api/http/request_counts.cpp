// SPDX-License-Identifier: Apache-2.0
#include "api/http/request_counts.hpp"

#include <algorithm>

namespace devbindd::api {
namespace {

std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 5> known{"GET", "HEAD", "PUT", "POST", "DELETE"};
  const auto* found = std::ranges::find(known, method);
  return found == known.end() ? std::string_view("other") : *found;
}

}  // namespace

void RequestCounts::add(const AccessRecord& record) {
  auto& count = counts_[{record.route, known_method(record.method)}];
  ++count.by_class[static_cast<std::size_t>(std::clamp(record.status / 100, 1, 5)) - 1];
  count.durations.add(record.duration);
}

}  // namespace devbindd::api
