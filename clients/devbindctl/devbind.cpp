// SPDX-License-Identifier: Apache-2.0
// devbind: the options of dpdk-devbind.py, so that a script moves by changing one word.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "clients/api/names.hpp"
#include "clients/api/targets.hpp"
#include "clients/devbindctl/session.hpp"
#include "clients/text/reasons.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

// The script's words for --status-dev, and what its sections are called.
struct Kind {
  std::string_view word;
  std::string_view title;
};
constexpr Kind kinds[]{
    {"net", "Network"},    {"baseband", "Baseband"}, {"crypto", "Crypto"},      {"dma", "DMA"},
    {"event", "Eventdev"}, {"mempool", "Mempool"},   {"misc", "Misc (rawdev)"}, {"compress", "Compress"},
    {"regex", "Regex"}};

bool is_of_kind(const std::string& section, std::string_view title) {
  const auto begin = section.starts_with('\n') ? std::string_view(section).substr(1) : std::string_view(section);
  const auto line = begin.substr(0, begin.find('\n'));
  const std::string name(title);
  return line.starts_with(name + " devices using ") || line == "Other " + name + " devices" ||
         line == "No '" + name + "' devices detected";
}

// The sections of one kind; each begins with an empty line.
std::string sections_of(const std::string& text, std::string_view title) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find("\n\n", begin), text.size() - 1) + 1;
    const auto section = text.substr(begin, end - begin);
    if (is_of_kind(section, title)) out += section;
    begin = end;
  }
  return out;
}

Outcome show_status(Session& session) {
  const Request request{.method = "GET", .target = "/v1/devices", .fields = {{"Accept", "text/plain"}}, .body = {}};
  auto answer = session.daemon.ask(request);
  if (!answer) return std::unexpected(answer.error());
  const auto& wanted = session.options.status_of;
  if (session.options.status || wanted.empty()) {
    session.output.write(answer->body);
    return done();
  }
  const auto* kind = std::ranges::find(kinds, wanted, &Kind::word);
  session.output.write(sections_of(answer->body, kind->title));
  return done();
}

// What the script's "dpdk" stands for: everything that a driver for userspace has.
Result<std::vector<std::string>> bound_for_userspace(Session& session) {
  auto devices = session.daemon.items("/v1/devices?fields=address,driver&driver=vfio-pci,igb_uio,uio_pci_generic");
  if (!devices) return std::unexpected(devices.error());
  std::vector<std::string> found;
  for (const auto& device : *devices) found.push_back(member(device, "address"));
  return found;
}

Result<std::vector<std::string>> addresses(Session& session) {
  std::vector<std::string> found;
  const auto& words = session.options.targets;
  if (words.front() == "dpdk" && session.options.unbind) return bound_for_userspace(session);
  for (const auto& word : words) {
    if (word.find_first_of("*?[") != std::string::npos) {
      auto fitting = addresses_fitting(session.daemon, word);
      if (!fitting) return std::unexpected(fitting.error());
      found.insert(found.end(), fitting->begin(), fitting->end());
      continue;
    }
    auto address = address_of(session.daemon, word);
    if (!address) return std::unexpected(address.error());
    found.push_back(*address);
  }
  return found;
}

// What --force stands for: the risks that speak against this change and may be accepted. It says which.
Result<std::vector<std::string>> named_risks(Session& session, const std::string& target, const json& body) {
  auto answer =
      session.daemon.ask({.method = "PUT", .target = target + "?dry_run=true", .fields = {}, .body = body.dump()});
  if (!answer) return std::unexpected(answer.error());
  const auto preview = parsed(answer->body);
  std::vector<std::string> codes;
  std::string text;
  for (const auto& reason : preview["refused_by"]) {
    if (!reason.value("acceptable", false)) continue;
    codes.push_back(member(reason, "code"));
    text += evidence_text(reason, session.output.error_terminal());
  }
  if (!codes.empty()) session.output.tell("--force accepts these risks:\n" + text);
  return codes;
}

// Whether something was changed.
Result<bool> bind_one(Session& session, const std::string& address, const json& driver) {
  const auto target = "/v1/devices/" + address + "/binding";
  json body{{"driver", driver}};
  if (session.options.force) {
    auto codes = named_risks(session, target, body);
    if (!codes) return std::unexpected(codes.error());
    if (!codes->empty()) body["accept_risks"] = *codes;
  }
  auto answer = session.daemon.ask({.method = "PUT",
                                    .target = target,
                                    .fields = {{"Prefer", "wait=" + std::to_string(session.options.wait_seconds)}},
                                    .body = body.dump()});
  if (!answer) return std::unexpected(answer.error());
  const auto document = parsed(answer->body);
  if (answer->status == 202)
    return std::unexpected(Failure{
        .status = ExitStatus::Blocked, .text = waiting_text(document, session.output.error_terminal()), .body = {}});
  const bool changed = document.value("changed", true);
  if (!changed)
    session.output.tell("Notice: " + address +
                        (driver.is_null() ? " has no driver, skipping\n"
                                          : " already bound to driver " + plain(driver) + ", skipping\n"));
  return changed;
}

}  // namespace

Outcome devbind(Session& session) {
  const auto& options = session.options;
  const bool binds = options.unbind || !options.bind_to.empty();
  const bool shows = options.status || !options.status_of.empty();
  if (!binds && !shows) return fail("No action was named: give -s, --status-dev KIND, -b DRIVER or -u.");
  if (binds && options.targets.empty()) return fail("No devices were named.");
  bool changed = !binds;
  if (binds) {
    const bool none = options.unbind || options.bind_to == "none" || options.bind_to == "None";
    auto found = addresses(session);
    if (!found) return std::unexpected(found.error());
    for (const auto& address : *found) {
      auto one = bind_one(session, address, none ? json() : json(options.bind_to));
      if (!one) return std::unexpected(one.error());
      changed = changed || *one;
    }
  }
  if (shows)
    if (auto shown = show_status(session); !shown) return shown;
  return done(changed ? ExitStatus::Done : ExitStatus::NothingToDo);
}

}  // namespace devbindd::clients
