// SPDX-License-Identifier: Apache-2.0
#include "api/render/doctor_text.hpp"

#include <algorithm>
#include <string_view>

#include "api/http/plain_text.hpp"

namespace devbindd::api {
namespace {

using handoff::Check;
using handoff::Verdict;

constexpr std::size_t columns = 100;

std::string_view mark_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Pass: return "[ ok ] ";
    case Verdict::Warn: return "[warn] ";
    case Verdict::Fail: break;
  }
  return "[FAIL] ";
}

// Lines come from files that others wrote.
std::string printable(std::string_view text) {
  std::string result(text);
  std::ranges::replace_if(
      result, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return one_line(result);
}

// `first` stands before the first line, as many blanks before the others. A word that is longer than a line is cut.
std::string wrapped(std::string_view first, std::string_view text) {
  const auto clean = printable(text);
  std::string_view rest = clean;
  std::string result;
  std::string line(first);
  const auto indent = first.size();
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) break;
    auto word = rest.substr(0, rest.find(' '));
    const auto blank = line.size() > indent ? 1U : 0U;
    const auto length = characters_of(line) + blank;
    if (blank == 1 && length + characters_of(word) > columns) {
      result += line + "\n";
      line.assign(indent, ' ');
      continue;
    }
    word = word.substr(0, bytes_of(word, columns - length));
    line.append(blank, ' ').append(word);
    rest.remove_prefix(word.size());
    if (!rest.empty() && rest.front() != ' ') {
      result += line + "\n";
      line.assign(indent, ' ');
    }
  }
  return line.size() > indent ? result + line + "\n" : result;
}

std::string counted(std::ptrdiff_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string head(const std::vector<Check>& checks, const std::string& host) {
  const auto count = [&](Verdict verdict) { return std::ranges::count(checks, verdict, &Check::verdict); };
  return wrapped("", "devbindd's look at " + host) +
         wrapped("", counted(static_cast<std::ptrdiff_t>(checks.size()), "check") + ": " +
                         std::to_string(count(Verdict::Pass)) + " ok, " + counted(count(Verdict::Warn), "warning") +
                         ", " + counted(count(Verdict::Fail), "failure"));
}

std::string text_of(const Check& check) {
  auto text = wrapped(mark_of(check.verdict), check.title) + wrapped("       ", check.detail);
  if (!check.next_step.empty()) text += wrapped("       -> ", check.next_step);
  return text;
}

}  // namespace

std::string doctor_text(const std::vector<Check>& checks, const std::string& host) {
  auto text = head(checks, host);
  for (const auto& check : checks) text += "\n" + text_of(check);
  return text;
}

}  // namespace devbindd::api
