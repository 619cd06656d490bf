// SPDX-License-Identifier: Apache-2.0
// completion: the scripts for shells, and __complete, which they ask for each word.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "clients/devbindctl/command_line.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

constexpr std::string_view bash = R"(# bash completion for devbindctl
_devbindctl() {
    local cur prev words cword
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n : cur prev words cword
    else
        words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}
    fi
    mapfile -t COMPREPLY < <(devbindctl __complete "${words[@]:1:cword-1}" "$cur" 2>/dev/null)
    declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
}
complete -F _devbindctl devbindctl
)";

constexpr std::string_view zsh = R"(#compdef devbindctl
_devbindctl() {
    local -a found
    found=("${(@f)$(devbindctl __complete "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" 2>/dev/null)}")
    compadd -- $found
}
if [[ ${funcstack[1]} == _devbindctl ]]; then
    _devbindctl "$@"
else
    compdef _devbindctl devbindctl
fi
)";

constexpr std::string_view fish = R"(# fish completion for devbindctl
complete -c devbindctl -f -a '(devbindctl __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
)";

using Words = std::vector<std::string>;

void append_members(Session& session, Words& words, const std::string& target, const std::string& name) {
  auto items = session.daemon.items(target);
  if (!items) return;
  for (const auto& item : *items) {
    if (!item.contains(name)) continue;
    if (item[name].is_array())
      for (const auto& one : item[name]) words.push_back(plain(one));
    else
      words.push_back(member(item, name));
  }
}

// The subcommand that the words name, with the one below it.
std::string command_of(const Words& words) {
  std::string command;
  const auto top = subcommand_names("");
  for (const auto& word : words) {
    const auto below = command.empty() ? top : subcommand_names(command);
    if (std::ranges::find(below, word) == below.end()) continue;
    command += (command.empty() ? "" : " ") + word;
    if (command != "driverctl") break;
  }
  return command;
}

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, std::string_view(word)) != words.end();
}

// What may follow an option; none where the option takes no word.
Words values_of(Session& session, const std::string& option) {
  Words words;
  if (is_one_of(option, {"-o", "--output"})) words = {"table", "wide", "json", "yaml", "name"};
  if (is_one_of(option, {"-d", "--driver", "-b", "--bind"})) {
    append_members(session, words, "/v1/drivers?fields=name", "name");
    words.push_back("none");
  }
  if (is_one_of(option, {"-F", "--format"}))
    words = {"env", "qemu", "cloud-hypervisor", "dpdk", "spdk", "libvirt-xml", "cdi", "k8s-device-plugin", "nomad"};
  if (option == "--status-dev")
    words = {"baseband", "compress", "crypto", "dma", "event", "mempool", "misc", "net", "regex"};
  if (option == "--descriptors") words = {"auto", "group", "cdev", "none"};
  return words;
}

Words names_for(Session& session, const std::string& command) {
  Words words;
  if (is_one_of(command, {"show", "release", "renew", "handover", "events", "acknowledge"}))
    append_members(session, words, "/v1/claims?fields=id&state=preparing,active,releasing,quarantined", "id");
  if (is_one_of(command, {"renew", "handover", "acknowledge", "doctor", "policy", "whoami", "claims",
                          "driverctl list-overrides"}))
    return words;
  if (command == "completion") return {"bash", "zsh", "fish"};
  if (command == "operations") {
    append_members(session, words, "/v1/operations?fields=id&page_size=50", "id");
    return words;
  }
  if (command == "driverctl list-devices")
    return {"network", "storage", "display", "accelerator", "crypto", "bridge", "usb", "sound", "memory", "other"};
  append_members(session, words, "/v1/devices?fields=address", "address");
  append_members(session, words, "/v1/devices?fields=interfaces", "interfaces");
  if (command == "driverctl set-override") append_members(session, words, "/v1/drivers?fields=name", "name");
  return words;
}

// An address as it is written without its domain fits, too.
bool fits(const std::string& name, const std::string& begin) { return name.starts_with(begin); }

}  // namespace

Outcome completion(Session& session) {
  const auto& shell = session.options.shell;
  session.output.write(shell == "bash" ? bash : shell == "zsh" ? zsh : fish);
  return done();
}

Outcome complete(Session& session) {
  constexpr std::chrono::milliseconds patience{2000};
  session.daemon.set_patience(patience);
  auto before = session.options.words;
  const auto current = before.empty() ? "" : before.back();
  if (!before.empty()) before.pop_back();
  const auto command = command_of(before);
  Words words = before.empty() ? Words() : values_of(session, before.back());
  if (words.empty() && current.starts_with('-'))
    words = option_names(command);
  else if (words.empty() && (command.empty() || command == "driverctl"))
    words = subcommand_names(command);
  else if (words.empty())
    words = names_for(session, command);
  const bool short_address =
      !current.empty() && std::ranges::none_of(words, [&](const auto& word) { return fits(word, current); });
  for (const auto& word : words) {
    const auto shown = short_address && word.starts_with("0000:") ? word.substr(5) : word;
    if (fits(shown, current)) session.output.write(shown + "\n");
  }
  return done();
}

}  // namespace devbindd::clients
