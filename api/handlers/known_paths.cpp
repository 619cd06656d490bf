// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/known_paths.hpp"

#include <algorithm>
#include <set>

#include "api/http/nearest_word.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

constexpr std::size_t longest_list = 6;

std::vector<std::string_view> segments_of(std::string_view pattern) {
  std::vector<std::string_view> segments;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the slash
    segments.push_back(pattern.substr(0, pattern.find('/')));
    pattern.remove_prefix(segments.back().size());
  }
  return segments;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

bool fits(std::string_view segment, const std::string& given) {
  return is_parameter(segment) ? !given.empty() : segment == given;
}

// The pattern begins as the first `count` segments of the path do.
bool begins_so(const std::vector<std::string_view>& pattern, const PathSegments& path, std::size_t count) {
  return pattern.size() >= count && std::ranges::equal(pattern.begin(), pattern.begin() + static_cast<long>(count),
                                                       path.begin(), path.begin() + static_cast<long>(count), fits);
}

std::vector<const Route*> routes_at(const PathSegments& path) {
  std::vector<const Route*> found;
  for (const auto& route : routes()) {
    if (match(route.pattern, path)) found.push_back(&route);
  }
  return found;
}

// What may stand behind the first `count` segments of the path, without parameters.
std::vector<std::string_view> words_behind(const PathSegments& path, std::size_t count) {
  std::set<std::string_view> words;
  for (const auto& route : routes()) {
    const auto pattern = segments_of(route.pattern);
    if (pattern.size() > count && begins_so(pattern, path, count) && !is_parameter(pattern[count]))
      words.insert(pattern[count]);
  }
  return {words.begin(), words.end()};
}

// How many segments begin a path of the API.
std::size_t known_beginning(const PathSegments& path) {
  std::size_t most = 0;
  for (const auto& route : routes()) {
    const auto pattern = segments_of(route.pattern);
    while (most < path.size() && begins_so(pattern, path, most + 1)) ++most;
  }
  return most;
}

// With the nearest word in the place of each that is none; it is known then, or as much of it as can be.
PathSegments corrected(PathSegments path) {
  for (auto at = known_beginning(path); at < path.size(); at = known_beginning(path)) {
    const auto meant = nearest_word(path[at], words_behind(path, at));
    if (meant.empty() || meant == path[at]) break;
    path[at] = meant;
  }
  return path;
}

std::string text_of(const PathSegments& path) { return "/" + sysfs::joined(path, "/"); }

// Whether somebody who wanted the one path may have meant the other: it is above or below it, or is called like it.
bool is_near(std::string_view pattern, std::string_view other) {
  const auto contains = [](std::string_view part, std::string_view whole) {
    return whole.size() > part.size() && whole.starts_with(part) && whole[part.size()] == '/';
  };
  if (contains(pattern, other) || contains(other, pattern)) return true;
  const auto own = segments_of(pattern).back();
  const auto others = segments_of(other).back();
  return !is_parameter(own) && !is_parameter(others) && !nearest_word(own, {others}).empty();
}

}  // namespace

// For every request, with every route: nothing is copied but what fits.
std::optional<PathArguments> match(std::string_view pattern, const PathSegments& path) {
  PathArguments arguments;
  std::size_t at = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the slash
    const auto segment = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(segment.size());
    if (at == path.size() || !fits(segment, path[at])) return std::nullopt;
    if (is_parameter(segment)) arguments.push_back(path[at]);
    ++at;
  }
  if (at != path.size()) return std::nullopt;
  return arguments;
}

std::string allowed(const std::vector<const Route*>& routes) {
  std::vector<std::string> methods;
  for (const auto* route : routes) {
    methods.emplace_back(route->method);
    if (route->method == "GET") methods.emplace_back("HEAD");
  }
  return sysfs::joined(methods);
}

std::string path_hint(PathSegments path) {
  if (!path.empty() && path.back().empty()) path.pop_back();  // a slash at its end
  auto with_version = path;
  if (path.empty() || path.front() != "v1") with_version.insert(with_version.begin(), "v1");
  const PathSegments candidates[] = {path, with_version, corrected(path), corrected(with_version)};
  for (const auto& candidate : candidates) {
    if (const auto found = routes_at(candidate); !found.empty())
      return ". Did you mean " + text_of(candidate) + " (" + allowed(found) + ")?";
  }
  const auto known = known_beginning(path);
  const auto words = words_behind(path, known);
  if (known < 2 || words.empty()) return {};
  path.resize(known);
  return ". Possible behind " + text_of(path) + ": " + sysfs::joined({words.begin(), words.end()});
}

std::string method_hint(std::string_view method, std::string_view pattern) {
  std::vector<std::string> near;
  for (const auto& route : routes()) {
    if (route.method == method && is_near(pattern, route.pattern)) near.emplace_back(route.pattern);
  }
  if (near.empty() || near.size() > longest_list) return {};
  return ". " + std::string(method) + " is for " + sysfs::joined(near);
}

}  // namespace devbindd::api
