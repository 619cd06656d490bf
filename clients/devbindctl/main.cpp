// SPDX-License-Identifier: Apache-2.0
// devbindctl: the command line of devbindd.
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clients/devbindctl/command_line.hpp"
#include "clients/text/reasons.hpp"

namespace devbindd::clients {
namespace {

// A problem goes to standard output where a program reads that, and as a paragraph to standard error.
int tell(const Failure& failure, const Output& output) {
  const auto problem = parsed(failure.body);
  if (!output.for_person() && output.format() != Format::Name && !failure.body.empty()) {
    std::vector<Answer> answers(1);
    answers.front().body = failure.body;
    output.documents(answers);
  }
  const auto& terminal = output.error_terminal();
  output.tell(problem.is_object() ? problem_text(problem, terminal)
                                  : wrapped(failure.text, failure.text.contains('\n') ? 0 : terminal.width) +
                                        (failure.text.ends_with('\n') ? "" : "\n"));
  return static_cast<int>(failure.status);
}

int main_of(const std::vector<std::string>& words) {
  auto parsed_line = parse_command_line(words);
  if (const auto* ended = std::get_if<Ended>(&parsed_line)) {
    (ended->status == ExitStatus::Done ? std::cout : std::cerr) << ended->text << std::flush;
    return static_cast<int>(ended->status);
  }
  const auto& line = std::get<Parsed>(parsed_line);
  const Output output(line.options.format);
  Daemon daemon(line.options.socket);
  daemon.set_patience(std::chrono::seconds(line.options.wait_seconds) + std::chrono::seconds(30));
  Session session{line.options, daemon, output};
  auto outcome = line.command(session);
  return outcome ? *outcome : tell(outcome.error(), output);
}

}  // namespace
}  // namespace devbindd::clients

int main(int argc, char** argv) { return devbindd::clients::main_of({argv + 1, argv + argc}); }
