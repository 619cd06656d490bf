// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/become.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "clients/api/daemon.hpp"
#include "clients/text/reasons.hpp"
#include "clients/text/table.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

constexpr int first_descriptor = 3;
constexpr int out_of_the_way = 256;
constexpr std::array handovers{"{qemu}", "{dpdk}", "{spdk}", "{cloud-hypervisor}"};

bool is_handover(const std::string& word) { return std::ranges::find(handovers, word) != handovers.end(); }

int tell(const Failure& failure) {
  const auto terminal = terminal_of(STDERR_FILENO);
  const auto problem = parsed(failure.body);
  std::cerr << "devbindctl: " << (problem.is_object() ? problem_text(problem, terminal) : failure.text + "\n");
  return static_cast<int>(failure.status);
}

// The documents of the descriptors, which then are at number 3 and above.
Result<std::vector<std::string>> take_descriptors(Daemon& daemon, const Options& options, const std::string& claim) {
  json body = json::object();
  if (options.descriptors != "auto") body["way"] = options.descriptors;
  auto answer =
      daemon.ask({.method = "POST", .target = "/v1/claims/" + claim + "/fds", .fields = {}, .body = body.dump()});
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  if (document["descriptors"].size() != answer->descriptors.size())
    return fail("Not all descriptors of the claim came.");
  std::vector<Descriptor> moved;
  for (const auto& descriptor : answer->descriptors)
    moved.emplace_back(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, out_of_the_way));
  std::vector<std::string> roles;
  for (std::size_t at = 0; at < moved.size(); ++at) {
    if (::dup2(moved[at].get(), first_descriptor + static_cast<int>(at)) < 0)
      return fail(std::string("A descriptor is lost: ") + std::strerror(errno));
    roles.push_back(member(document["descriptors"][at], "role"));
  }
  ::setenv("DEVBINDD_WAY", member(document, "way").c_str(), 1);
  return roles;
}

void set_listen_variables(const std::vector<std::string>& roles) {
  std::string names;
  for (const auto& role : roles) names += (names.empty() ? "" : ":") + role;
  ::setenv("LISTEN_FDS", std::to_string(roles.size()).c_str(), 1);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
}

std::string devices_of(const json& claim) {
  std::string text;
  for (const auto& device : claim["devices"])
    if (!device.value("companion", false)) text += (text.empty() ? "" : " ") + member(device, "address");
  return text;
}

// Lines NAME=value of the handover in the format env, and the claim's own.
Result<void> set_variables(Daemon& daemon, const json& claim) {
  ::setenv("DEVBINDD_CLAIM", member(claim, "id").c_str(), 1);
  ::setenv("DEVBINDD_DEVICES", devices_of(claim).c_str(), 1);
  auto answer = daemon.get("/v1/claims/" + member(claim, "id") + "/handover?format=env");
  if (!answer) return std::unexpected(answer.error());
  std::istringstream lines(answer->body);
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find('=');
    if (at == std::string::npos || line.starts_with('#')) continue;
    auto value = line.substr(at + 1);
    if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    ::setenv(line.substr(0, at).c_str(), value.c_str(), 1);
  }
  return {};
}

// The command with the words that a program wants which opens the nodes itself.
Result<std::vector<std::string>> with_handovers(Daemon& daemon, const std::vector<std::string>& command,
                                                const std::string& claim) {
  std::vector<std::string> out;
  for (const auto& word : command) {
    if (!is_handover(word)) {
      out.push_back(word);
      continue;
    }
    auto document = daemon.document("/v1/claims/" + claim + "/handover?format=" + word.substr(1, word.size() - 2));
    if (!document) return std::unexpected(document.error());
    for (const auto& argument : (*document)["arguments"]) out.push_back(plain(argument));
  }
  return out;
}

int execute(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words.front(), words.data());
  const int error = errno;
  std::cerr << "devbindctl: " << command.front() << ": " << std::strerror(error) << "\n";
  return error == ENOENT ? 127 : 126;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

}  // namespace

bool wants_handover(const std::vector<std::string>& command) { return std::ranges::any_of(command, is_handover); }

std::vector<std::string> with_values(const std::vector<std::string>& command, const json& claim,
                                     const std::vector<std::string>& roles) {
  auto out = command;
  const auto devices = devices_of(claim);
  for (auto& word : out) {
    replace_all(word, "{device}", devices.substr(0, devices.find(' ')));
    replace_all(word, "{claim}", member(claim, "id"));
    for (std::size_t at = roles.size(); at-- > 0;) {
      const auto first = std::ranges::find(roles, roles[at]) - roles.begin();
      replace_all(word, "{fd:" + roles[at] + "}", std::to_string(first_descriptor + first));
    }
  }
  return out;
}

int become_command(const Options& options, const std::string& claim) {
  Daemon daemon(options.socket);
  const auto document = daemon.document("/v1/claims/" + claim);
  if (!document) return tell(document.error());
  if (auto set = set_variables(daemon, *document); !set) return tell(set.error());
  auto command = with_handovers(daemon, options.child, claim);
  if (!command) return tell(command.error());
  std::vector<std::string> roles;
  const bool opens_nodes =
      options.descriptors == "none" || (options.descriptors == "auto" && wants_handover(options.child));
  if (!opens_nodes) {
    auto taken = take_descriptors(daemon, options, claim);
    if (!taken) return tell(taken.error());
    roles = *taken;
    set_listen_variables(roles);
  }
  return execute(with_values(*command, *document, roles));
}

}  // namespace devbindd::clients
