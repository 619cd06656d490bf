// SPDX-License-Identifier: Apache-2.0
// See control.hpp.
#include "tests/contract/control.hpp"

#include <cerrno>
#include <sstream>
#include <stdexcept>

namespace devbindd::tests {
namespace {

int errno_named(const std::string& name) {
  for (int value = 1; value < 134; ++value) {
    if (sysfs::errno_name(value) == name) return value;
  }
  throw std::invalid_argument("no errno " + name);
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string value_of(const std::vector<std::string>& words) { return words.size() > 2 ? words[2] : std::string{}; }

}  // namespace

Control::Control(FakeKernel& kernel, FaultyTree& tree, FakeWorkers& workers, handoff::Engine& engine)
    : kernel_(kernel), tree_(tree), workers_(workers), engine_(engine) {
  add_write_commands();
  add_kernel_commands();
  add_daemon_commands();
}

void Control::add_write_commands() {
  commands_["fail-write"] = [this](const Words& words) {
    kernel_.fail_nth_write(std::stoul(words.at(1)), errno_named(words.at(2)));
    return "";
  };
  commands_["refuse-probe"] = [this](const Words& words) {
    kernel_.refuse_probe(words.at(1), words.at(2), words.at(3) == "0" ? 0 : errno_named(words.at(3)));
    return "";
  };
  commands_["probe-lies"] = [this](const Words& words) {
    kernel_.probe_lies(words.at(1), words.at(2));
    return "";
  };
  commands_["block"] = [this](const Words& words) {
    kernel_.block(words.at(1), value_of(words));
    return "";
  };
  commands_["unblock"] = [this](const Words& words) {
    kernel_.unblock(words.at(1), value_of(words));
    workers_.resume();
    return "";
  };
  commands_["remove-before-write"] = [this](const Words& words) {
    kernel_.before_nth_write(std::stoul(words.at(1)),
                             [this, address = words.at(2)] { kernel_.remove_device(address); });
    return "";
  };
}

void Control::add_kernel_commands() {
  commands_["fail-reads"] = [this](const Words& words) {
    tree_.fail_below(words.at(1), errno_named(words.at(2)));
    return "";
  };
  commands_["heal-reads"] = [this](const Words&) {
    tree_.heal();
    return "";
  };
  // "file PATH CONTENT", with \n and \t for what a line cannot hold
  commands_["file"] = [this](const Words& words) {
    std::string content;
    for (std::size_t at = 2; at < words.size(); ++at) content += (at > 2 ? " " : "") + words[at];
    for (const auto& [escape, character] : {std::pair("\\n", '\n'), std::pair("\\t", '\t')}) {
      for (auto at = content.find(escape); at != std::string::npos; at = content.find(escape))
        content.replace(at, 2, 1, character);
    }
    kernel_.set_file(words.at(1), content);
    return "";
  };
  commands_["open"] = [this](const Words& words) {
    kernel_.open_device(words.at(1), std::stoi(words.at(2)), words.at(3));
    return "";
  };
  commands_["close"] = [this](const Words& words) {
    kernel_.close_device(words.at(1));
    workers_.resume();
    return "";
  };
  commands_["remove"] = [this](const Words& words) {
    kernel_.remove_device(words.at(1));
    return "";
  };
  commands_["kernel-write"] = [this](const Words& words) {
    const auto done = kernel_.write(words.at(1), words.at(2));
    return done ? std::string{} : done.error().message;
  };
  commands_["hold-overrides"] = [this](const Words& words) {
    kernel_.set_override_takes_lock(words.at(1) == "on");
    return "";
  };
  commands_["lose-uevents"] = [this](const Words&) {
    kernel_.lose_uevents();
    return "";
  };
  commands_["process"] = [this](const Words& words) {
    kernel_.set_file("proc/" + words.at(1) + "/stat",
                     words.at(1) + " (vmm) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0");
    return "";
  };
  commands_["end-process"] = [this](const Words& words) {
    const auto watching = watched_.extract(std::stoi(words.at(1)));
    if (!watching.empty()) watching.mapped()();
    return "";
  };
  commands_["grants"] = [this](const Words& words) {
    std::string text;
    const auto found = workers_.grants().find(words.at(1));
    if (found == workers_.grants().end()) return text;
    for (const auto& name : found->second) text += (text.empty() ? "" : " ") + name;
    return text;
  };
  commands_["fail-access"] = [this](const Words& words) {
    workers_.fail_access(words.at(1) == "0" ? 0 : errno_named(words.at(1)));
    return "";
  };
  commands_["fail-open"] = [this](const Words& words) {
    fail_open(words.at(1), errno_named(words.at(2)));
    return "";
  };
  commands_["binding"] = [this](const Words& words) { return kernel_.bindings().at(words.at(1)); };
}

void Control::add_daemon_commands() {
  commands_["not-ready"] = [this](const Words& words) {
    not_ready_.clear();
    for (std::size_t at = 1; at < words.size(); ++at) not_ready_ += (at > 1 ? " " : "") + words[at];
    return "";
  };
  // What the next request comes to: "throw", "throw-later", "forget", "answer-twice"
  commands_["fail-next"] = [this](const Words& words) {
    const std::map<std::string, Failure> known{{"throw", Failure::Throw},
                                               {"throw-later", Failure::ThrowLater},
                                               {"forget", Failure::Forget},
                                               {"answer-twice", Failure::AnswerTwice}};
    next_failure_ = known.at(words.at(1));
    return "";
  };
  commands_["caught"] = [this](const Words&) { return std::exchange(caught_, ""); };
  // A line of the audit as it stands: "audit DOCUMENT"
  commands_["audit"] = [this](const Words& words) {
    std::string document;
    for (std::size_t at = 1; at < words.size(); ++at) document += (at > 1 ? " " : "") + words[at];
    engine_.services().journal.record({.id = 0, .devices = {}, .document = document}, [](const sysfs::Result<>&) {});
    return "";
  };
  commands_["stop-accepting"] = [this](const Words&) {
    engine_.stop_accepting();
    return "";
  };
  commands_["start-policies"] = [this](const Words&) {
    start_policies();
    return "";
  };
  commands_["asked"] = [this](const Words&) { return std::to_string(tree_.asked()); };
  commands_["touched"] = [this](const Words&) {
    return std::to_string(kernel_.writes().size()) + " " + std::to_string(nodes_opened());
  };
  commands_["connections"] = [this](const Words&) { return std::to_string(connections()); };
}

sysfs::Result<std::function<void()>> Control::watch_process(std::int32_t pid, std::function<void()> on_end) {
  watched_[pid] = std::move(on_end);
  return [this, pid] { watched_.erase(pid); };
}

std::string Control::perform(const std::string& line) {
  const auto words = words_of(line);
  const auto command = words.empty() ? commands_.end() : commands_.find(words.front());
  if (command == commands_.end()) return "error unknown command";
  try {
    const auto answer = command->second(words);
    return answer.empty() ? "ok" : "ok " + answer;
  } catch (const std::exception& wrong) {
    return std::string("error ") + wrong.what();
  }
}

}  // namespace devbindd::tests
