// SPDX-License-Identifier: Apache-2.0
#include "clients/text/reasons.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "clients/text/table.hpp"

namespace devbindd::clients {
namespace {

using nlohmann::json;

const json& list_of(const json& object, const char* name) {
  static const json none = json::array();
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() && found->is_array() ? *found : none;
}

std::string paragraph(const std::string& before, const std::string& text, const Terminal& terminal) {
  return before + wrapped(printable(text), terminal.width, before.size(), before.size()) + "\n";
}

// What a sentence of the daemon may begin with. Any other word may be the name of a disk or a driver, which stays as it
// is.
constexpr std::array<std::string_view, 24> first_words = {
    "the", "a",    "an",      "its",  "it",    "this", "no",   "not",  "nothing", "none", "only", "what",
    "one", "each", "another", "some", "there", "if",   "when", "with", "without", "at",   "of",   "for"};

// A sentence begins with a capital letter and ends with a full stop, whoever wrote it.
std::string sentence(std::string text) {
  if (text.empty()) return text;
  if (std::ranges::find(first_words, std::string_view(text).substr(0, text.find(' '))) != first_words.end())
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  if (!std::string_view(".!?:").contains(text.back())) text += '.';
  return text;
}

// What the daemon says to whoever writes requests, in the words of the command line.
std::string in_own_words(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> phrases = {
      {{"Ask with \"scope\":\"group\"", "Name the IOMMU group instead of the device"},
       {"ask for one device with \"scope\":\"device\"", "name one device instead of the group"},
       {"DELETE /v1/claims/", "devbindctl release "},
       {"POST /v1/claims/", "devbindctl acknowledge "},
       {"end that: DELETE /v1/devices/", "end that: devbindctl uncordon "}}};
  for (const auto& [phrase, own] : phrases)
    if (const auto at = text.find(phrase); at != std::string::npos) text.replace(at, phrase.size(), own);
  for (const std::string_view path_end : {"/acknowledge", "/cordon"})
    if (const auto at = text.find(path_end); at != std::string::npos) text.erase(at, path_end.size());
  return text;
}

std::string accepting_text(const json& blockers) {
  std::string codes;
  bool all = !blockers.empty();
  for (const auto& blocker : blockers) {
    if (blocker.value("acceptable", false))
      codes += (codes.empty() ? "" : ",") + blocker.value("code", "");
    else
      all = false;
  }
  if (codes.empty()) return blockers.empty() ? "" : "None of this can be accepted as a risk: it must end first.";
  if (!all) return "What is not acceptable must end first; the rest could be accepted by --accept " + codes + ".";
  return "To go on all the same: --accept " + codes;
}

std::string failure_facts(const json& problem, const Terminal& terminal) {
  std::string out;
  const auto meaning = member(problem, "meaning");
  if (!meaning.empty()) out += paragraph("  ", sentence(meaning), terminal);
  if (const auto step = problem.find("step"); step != problem.end() && step->is_object())
    out += paragraph("  ",
                     "It failed at: " + step_text(*step) +
                         (member(problem, "errno").empty() ? "" : " (" + member(problem, "errno") + ")"),
                     terminal);
  for (const auto& line : list_of(problem, "kernel_log")) out += paragraph("  kernel: ", plain(line), terminal);
  const auto restored = member(problem, "restored");
  if (restored == "true") out += "  What was there before is back.\n";
  if (restored == "false")
    out += paragraph("  ", "What was there before is NOT back: " + member(problem, "unrestored") + ".", terminal);
  for (const auto& line : list_of(problem, "undo_failures")) out += paragraph("  undo: ", plain(line), terminal);
  return out;
}

std::string selection_text(const json& problem, const Terminal& terminal) {
  const auto selection = problem.find("selection");
  if (selection == problem.end() || !selection->is_object()) return {};
  auto out = paragraph("  ",
                       "Wanted: " + member(*selection, "wanted") + ". Devices that fit: " + member(*selection, "fit") +
                           ", of which free: " + member(*selection, "free") + ".",
                       terminal);
  for (const auto& other : list_of(*selection, "not_free"))
    out += paragraph("  " + member(other, "device") + ": ", sentence(member(other, "detail")), terminal);
  return out;
}

}  // namespace

std::string holders_text(const json& holders) {
  std::string text;
  for (const auto& holder : holders)
    text += (text.empty() ? "" : ", ") + member(holder, "command") + " (pid " + member(holder, "pid") + ", " +
            member(holder, "path") + ")";
  return text;
}

std::string step_text(const json& step) {
  const auto path = member(step, "path");
  auto value = member(step, "value");
  while (value.ends_with('\n')) value.pop_back();
  if (path == "modprobe") return "modprobe " + value;
  return "echo " + (value.empty() ? "''" : value) + " > " + path;
}

std::string evidence_text(const json& evidence, const Terminal& terminal) {
  const bool blocks = member(evidence, "severity") == "block";
  const auto code = member(evidence, "code");
  auto out = "  " + toned(terminal, blocks ? Tone::Bad : Tone::Warning, code) + "\n";
  out += paragraph("      ", sentence(member(evidence, "detail")), terminal);
  const auto processes = holders_text(list_of(evidence, "processes"));
  if (!processes.empty()) out += paragraph("      By: ", processes, terminal);
  const auto next = member(evidence, "next_step");
  if (!next.empty()) out += paragraph("      -> ", sentence(in_own_words(next)), terminal);
  return out;
}

std::string problem_text(const json& problem, const Terminal& terminal) {
  const auto& blockers = list_of(problem, "blockers");
  const auto code = member(problem, "code");
  const bool refused = code == "refused" && !blockers.empty();
  std::string out = refused
                        ? toned(terminal, Tone::Bad, "Refused") + ": nothing was changed.\n"
                        : wrapped(printable(sentence(member(problem, "detail"))), terminal.width) + " [" + code + "]\n";
  for (const auto& blocker : blockers) out += evidence_text(blocker, terminal);
  const auto& errors = list_of(problem, "errors");
  for (const auto& error : errors)
    if (errors.size() > 1)
      out += paragraph("  " + member(error, "pointer") + ": ", sentence(member(error, "detail")), terminal);
  const auto processes = holders_text(list_of(problem, "processes"));
  if (!processes.empty()) out += paragraph("  Open by: ", processes, terminal);
  out += selection_text(problem, terminal) + failure_facts(problem, terminal);
  const auto next = member(problem, "next_step");
  if (!next.empty()) out += paragraph("  -> ", sentence(in_own_words(next)), terminal);
  const auto accepting = accepting_text(blockers);
  if (!accepting.empty()) out += wrapped(accepting, terminal.width) + "\n";
  return out;
}

std::string waiting_text(const json& operation, const Terminal& terminal) {
  const auto blocked = operation.find("blocked");
  std::string out;
  if (blocked != operation.end() && blocked->is_object()) {
    const auto holders = holders_text(list_of(*blocked, "holders"));
    out = "The kernel waits" +
          (holders.empty() ? std::string(" for whoever has the device open, who is not seen")
                           : " for " + holders + " to close the device") +
          ".";
  } else {
    out = "It is not over yet.";
  }
  out += " The operation goes on by itself: devbindctl operations " + member(operation, "id");
  return wrapped(printable(out), terminal.width) + "\n";
}

std::string waiting_claim_text(const json& claim, const Terminal& terminal) {
  const auto id = member(claim, "id");
  const auto holders = holders_text(list_of(claim, "holders"));
  auto out = "The claim " + id + " is " + member(claim, "state");
  if (!holders.empty()) out += ", and waits for " + holders + " to close the device";
  return wrapped(printable(out + ". It goes on by itself: devbindctl show " + id.substr(0, 8)), terminal.width) + "\n";
}

}  // namespace devbindd::clients
