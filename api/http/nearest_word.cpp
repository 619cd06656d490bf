// SPDX-License-Identifier: Apache-2.0
#include "api/http/nearest_word.hpp"

#include <algorithm>
#include <set>

#include "api/http/field_text.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

constexpr std::size_t longest_word = 64;  // longer ones are no typing errors, and cost the square of their length
constexpr std::size_t short_list = 12;

// The optimal string alignment distance, row by row.
std::size_t difference(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

// The only one that begins as the word does: "ttl" for "ttl_seconds"; "" where none or several do.
std::string longer_word(std::string_view word, const std::vector<std::string_view>& known) {
  constexpr std::size_t shortest = 3;
  if (word.size() < shortest) return {};
  std::set<std::string> found;
  for (const auto candidate : known) {
    if (lower(candidate).starts_with(lower(word))) found.emplace(candidate);
  }
  return found.size() == 1 ? *found.begin() : std::string{};
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string_view>& known) {
  if (word.size() > longest_word) return {};
  std::string nearest;
  std::size_t least = 4;
  for (const auto candidate : known) {
    if (candidate.size() > longest_word) continue;
    const auto distance = difference(lower(word), lower(candidate));
    if (distance >= least || distance * 3 > candidate.size()) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest.empty() ? longer_word(word, known) : nearest;
}

std::string hint(std::string_view word, const std::vector<std::string>& known) {
  return hint(word, std::vector<std::string_view>(known.begin(), known.end()));
}

std::string hint(std::string_view word, const std::vector<std::string_view>& known) {
  if (const auto meant = nearest_word(word, known); !meant.empty()) return ". Did you mean \"" + meant + "\"?";
  const std::set<std::string> words(known.begin(), known.end());
  if (words.empty() || words.size() > short_list) return {};
  return ". Possible here: " + sysfs::joined({words.begin(), words.end()});
}

}  // namespace devbindd::api
