// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/output.hpp"

#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/api/daemon.hpp"
#include "clients/text/yaml.hpp"

namespace devbindd::clients {

Output::Output(Format format) : format_(format), out_(terminal_of(STDOUT_FILENO)), error_(terminal_of(STDERR_FILENO)) {}

void Output::write(std::string_view text) const { std::cout << text << std::flush; }

void Output::tell(std::string_view text) const { std::cerr << text << std::flush; }

bool Output::documents(const std::vector<Answer>& answers) const {
  const bool ends_lines = answers.size() > 1 || ::isatty(STDOUT_FILENO) != 0;
  if (format_ == Format::Json)
    for (const auto& answer : answers) write(answer.body + (ends_lines && !answer.body.ends_with('\n') ? "\n" : ""));
  if (format_ == Format::Yaml)
    for (std::size_t at = 0; at < answers.size(); ++at) write((at > 0 ? "---\n" : "") + yaml(parsed(answers[at].body)));
  return format_ == Format::Json || format_ == Format::Yaml;
}

void Output::items(const nlohmann::json& items, const Layout& layout) const {
  if (format_ == Format::Name) {
    for (const auto& item : items) write(printable(member(item, layout.name)) + "\n");
    return;
  }
  auto columns = layout.columns;
  if (format_ == Format::Wide) columns.insert(columns.end() - 1, layout.wide.begin(), layout.wide.end());
  write(table(columns, items, out_));
}

bool Output::can_ask() const { return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0; }

bool Output::asks(const std::string& question) const {
  if (!can_ask()) return false;
  tell(question + " [y/N] ");
  std::string line;
  return std::getline(std::cin, line) && (line == "y" || line == "Y" || line == "yes");
}

}  // namespace devbindd::clients
