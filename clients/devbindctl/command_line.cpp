// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/command_line.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "clients/devbindctl/subcommands.hpp"
#include "clients/text/terminal.hpp"

namespace devbindd::clients {
namespace {

CLI::App* app_of(CommandLine& line, const std::string& command) {
  CLI::App* app = &line.app();
  for (std::size_t begin = 0; begin < command.size();) {
    const auto end = std::min(command.find(' ', begin), command.size());
    const auto name = command.substr(begin, end - begin);
    const auto below = app->get_subcommands([&name](const CLI::App* one) { return one->get_name() == name; });
    if (below.empty()) return &line.app();
    app = below.front();
    begin = end + 1;
  }
  return app;
}

// By its name or by another name of it.
bool has_subcommand(const CLI::App& app, const std::string& name) {
  const auto known = [&name](const CLI::App* one) { return one->check_name(name); };
  return std::ranges::any_of(app.get_subcommands({}), known);
}

}  // namespace

std::variant<Parsed, Ended> parse_command_line(const std::vector<std::string>& words) {
  if (!words.empty() && words.front() == "__complete") {
    Parsed parsed{.options = {}, .command = complete};
    const char* named = std::getenv("DEVBINDD_SOCKET");
    parsed.options.socket = named != nullptr ? named : default_socket;
    parsed.options.words.assign(words.begin() + 1, words.end());
    return parsed;
  }
  const std::string first = words.empty() ? std::string() : words.front();
  CommandLine line(first);
  if (!first.empty() && !first.starts_with('-') && !has_subcommand(line.app(), first))
    return Ended{.status = ExitStatus::Error,
                 .text = "There is no subcommand " + printable(first) + ": `devbindctl --help` lists what there is.\n"};
  const auto dashes = std::ranges::find(words, "run") != words.end() ? std::ranges::find(words, "--") : words.end();
  std::vector<std::string> reversed(std::make_reverse_iterator(dashes), std::make_reverse_iterator(words.begin()));
  try {
    line.app().parse(reversed);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream mistake;
    const int status = line.app().exit(error, out, mistake);
    return Ended{.status = status == 0 ? ExitStatus::Done : ExitStatus::Error, .text = out.str() + mistake.str()};
  }
  if (dashes != words.end()) line.options.child.assign(dashes + 1, words.end());
  return Parsed{.options = std::move(line.options), .command = line.command};
}

std::vector<std::string> subcommand_names(const std::string& command) {
  CommandLine line({});
  std::vector<std::string> names;
  for (const auto* app : app_of(line, command)->get_subcommands({})) names.push_back(app->get_name());
  return names;
}

std::vector<std::string> option_names(const std::string& command) {
  CommandLine line({});
  std::vector<std::string> names;
  for (const auto* app : {app_of(line, command), &line.app()})
    for (const auto* option : app->get_options())
      for (const auto& name : option->get_lnames())
        if (std::ranges::find(names, "--" + name) == names.end()) names.push_back("--" + name);
  return names;
}

}  // namespace devbindd::clients
