// SPDX-License-Identifier: Apache-2.0
#include "tests/capture_tree.hpp"

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "sysfs/kernel/fields.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::tests {
namespace {

constexpr std::string_view arrow = " -> ";
constexpr std::uint32_t may_read = 0444;

// One entry as it is read: its first line, and the lines that follow.
struct Entry {
  std::string kind;
  std::string rest;
  std::string text = {};
};

// "PATH MODE": the path may hold blanks.
std::pair<std::string, std::uint32_t> path_and_mode(const std::string& rest) {
  const auto blank = rest.rfind(' ');
  const auto mode =
      blank == std::string::npos ? std::nullopt : sysfs::number_from<std::uint32_t>(rest.substr(blank + 1), 8);
  if (!mode) throw std::invalid_argument("no mode: " + rest);
  return {rest.substr(0, blank), *mode};
}

void add(Capture& capture, const Entry& entry) {
  auto& files = capture.tree.files;
  if (entry.kind == "dir") return files.add_directory(entry.rest);
  if (entry.kind == "command") {
    capture.commands.emplace(entry.rest, entry.text);
  } else if (entry.kind == "link") {
    const auto at = entry.rest.find(arrow);
    if (at == std::string::npos) throw std::invalid_argument("no target: " + entry.rest);
    files.add_link(entry.rest.substr(0, at), entry.rest.substr(at + arrow.size()));
  } else if (entry.kind == "file" || entry.kind == "unread") {
    const auto [path, mode] = path_and_mode(entry.rest);
    files.add_file(path, entry.text, entry.kind == "file" ? mode : mode & ~may_read);
  } else {
    throw std::invalid_argument("no entry: " + entry.kind + " " + entry.rest);
  }
}

}  // namespace

Capture read_capture(std::string_view text) {
  Capture capture;
  std::optional<Entry> entry;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const bool whole = line.starts_with('|');
    if (line.starts_with('#')) continue;
    if (whole || line.starts_with('\\')) {
      if (!entry) throw std::invalid_argument("of no entry: " + line);
      entry->text += line.substr(1) + (whole ? "\n" : "");
      continue;
    }
    if (entry) add(capture, *entry);
    const auto blank = line.find(' ');
    if (blank == std::string::npos) throw std::invalid_argument("no entry: " + line);
    entry = Entry{line.substr(0, blank), line.substr(blank + 1)};
  }
  if (entry) add(capture, *entry);
  return capture;
}

Capture captured(const std::string& name) {
  const std::ifstream file(std::filesystem::path(data_directory) / "captures" / (name + ".txt"));
  std::ostringstream text;
  text << file.rdbuf();
  return read_capture(text.str());
}

}  // namespace devbindd::tests
