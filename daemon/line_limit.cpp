// SPDX-License-Identifier: Apache-2.0
#include "daemon/line_limit.hpp"

#include <algorithm>

namespace devbindd::daemon {

std::string kind_of(std::string_view line) {
  constexpr std::size_t longest = 96;
  std::string kind;
  for (const char character : line) {
    if (kind.size() == longest) break;
    const bool digit = character >= '0' && character <= '9';
    if (!digit) kind += character;
    if (digit && !kind.ends_with('#')) kind += '#';
  }
  return kind;
}

bool LineLimit::take(const std::string& kind, Clock::time_point now) {
  const auto passed = [&](const Window& window) { return now - window.begun >= settings_.time; };
  if (!windows_.contains(kind) && windows_.size() >= settings_.kinds)
    std::erase_if(windows_,
                  [&](const auto& item) { return passed(item.second) && item.second.lines <= settings_.lines; });
  const bool room = windows_.contains(kind) || windows_.size() < settings_.kinds;
  auto& window = windows_.try_emplace(room ? kind : "many kinds", Window{.begun = now}).first->second;
  // One with lines that were left out stays until over() has told of them.
  if (passed(window) && window.lines <= settings_.lines) window = {.begun = now};
  return ++window.lines <= settings_.lines;
}

std::vector<LineLimit::LeftOut> LineLimit::over(Clock::time_point now) {
  std::vector<LeftOut> found;
  std::erase_if(windows_, [&](const auto& item) {
    const auto& [kind, window] = item;
    if (now - window.begun < settings_.time) return false;
    if (window.lines > settings_.lines) found.push_back({kind, window.lines - settings_.lines});
    return true;
  });
  return found;
}

bool LineLimit::has_left_out() const {
  return std::ranges::any_of(windows_, [this](const auto& item) { return item.second.lines > settings_.lines; });
}

}  // namespace devbindd::daemon
