// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/modprobe_lines.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_file = 1U << 18U;
constexpr std::string_view blanks = " \t";

// In the order of precedence. Debian has the last two in one.
constexpr std::array modprobe_directories{"etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d",
                                          "usr/lib/modprobe.d", "lib/modprobe.d"};

// libkmod's conf_files_filter_out.
bool is_configuration(std::string_view name) {
  return name.size() >= 6 && !name.starts_with('.') && (name.ends_with(".conf") || name.ends_with(".alias"));
}

struct Text {
  std::string_view rest;
  unsigned line = 1;  ///< the number of the line that `rest` begins with
};

std::string take_line(Text& text) {
  std::string line;
  while (!text.rest.empty()) {
    char c = text.rest.front();
    text.rest.remove_prefix(1);
    const bool escaped = c == '\\' && !text.rest.empty();
    if (escaped) {
      c = text.rest.front();
      text.rest.remove_prefix(1);
    }
    if (c == '\n') {
      ++text.line;
      if (!escaped) break;
    } else {
      line += c;
    }
  }
  return line;
}

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const auto word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

std::string trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return std::string(text.substr(0, text.find_last_not_of(blanks) + 1));
}

// Not within brackets, which hold the characters of a pattern.
std::string with_underscores(std::string_view name) {
  std::string result(name);
  bool bracket = false;
  for (char& c : result) {
    bracket = c == '[' || (bracket && c != ']');
    if (c == '-' && !bracket) c = '_';
  }
  return result;
}

bool is_command(std::string_view word) {
  constexpr std::array<std::string_view, 6> known{"alias", "blacklist", "options", "install", "remove", "softdep"};
  return std::ranges::find(known, word) != known.end();
}

std::optional<ModprobeLine> parse_line(const std::string& file, unsigned number, std::string_view line) {
  if (line.starts_with('#')) return std::nullopt;
  ModprobeLine found{.file = file, .number = number, .command = {}, .module = {}, .arguments = {}};
  found.command = take_word(line);
  found.module = with_underscores(take_word(line));
  found.arguments = trimmed(line);
  const bool alone = found.command == "blacklist";
  if (!is_command(found.command) || found.module.empty() || (found.arguments.empty() && !alone)) return std::nullopt;
  return found;
}

}  // namespace

std::string place_of(const ModprobeLine& line) { return line.file + " line " + std::to_string(line.number); }

std::vector<ModprobeLine> read_modprobe_lines(const Tree& tree) {
  std::map<std::string, std::string> files;
  for (const std::string directory : modprobe_directories) {
    const auto names = tree.list(directory).value_or(std::vector<std::string>{});
    for (const auto& name : names) {
      if (is_configuration(name)) files.emplace(name, directory + "/" + name);
    }
  }
  std::vector<ModprobeLine> lines;
  for (const auto& [name, path] : files) {
    auto found = parse_modprobe_file("/" + path, tree.read(path, max_file).value_or(""));
    std::ranges::move(found, std::back_inserter(lines));
  }
  return lines;
}

std::vector<ModprobeLine> parse_modprobe_file(const std::string& file, std::string_view content) {
  std::vector<ModprobeLine> lines;
  Text text{.rest = content};
  while (!text.rest.empty()) {
    const auto number = text.line;
    if (auto line = parse_line(file, number, take_line(text))) lines.push_back(std::move(*line));
  }
  return lines;
}

}  // namespace devbindd::sysfs
