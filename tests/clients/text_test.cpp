// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "clients/api/daemon.hpp"
#include "clients/devbindctl/become.hpp"
#include "clients/text/reasons.hpp"
#include "clients/text/table.hpp"
#include "clients/text/yaml.hpp"
#include "tests/catch2.hpp"

namespace devbindd::clients {

using nlohmann::json;
using tests::has_text;

TEST_CASE("A table's last column is broken at blanks, under its heading") {
  const std::vector<Column> columns{member_column("A", "a"), member_column("WHAT", "what")};
  const json items{{{"a", "x"}, {"what", "one two three four five six seven"}},
                   {{"a", nullptr}, {"what", json::array({1, 2})}}};
  CHECK(table(columns, items, {.width = 23, .colour = false}) ==
        "A  WHAT\nx  one two three four\n   five six seven\n-  1,2\n");
  CHECK(table(columns, items, {}) == "A  WHAT\nx  one two three four five six seven\n-  1,2\n");
}

TEST_CASE("Only a terminal with colour gets colour, and widths do not count it") {
  std::vector<Column> columns{member_column("A", "a"), member_column("B", "b")};
  columns[0].tone = [](const json&) { return Tone::Good; };
  const json items{{{"a", "ok"}, {"b", "x"}}};
  CHECK_THAT(table(columns, items, {.width = 80, .colour = true}), has_text("\033[32mok\033[0m  x"));
  CHECK(table(columns, items, {.width = 80, .colour = false}) == "A   B\nok  x\n");
}

TEST_CASE("Nothing that moves a terminal's cursor gets through") {
  CHECK(printable("a\033[2Jb\x07\nc\td") == "a?[2Jb? c d");
  CHECK(printable("\xc2\x9b"
                  "1m \xe2\x80\xae"
                  "x \xe2\x81\xa7 \xe2\x80\x8f") == "?1m ?x ? ?");
  CHECK(printable("Ger\xc3\xa4t \xe2\x82\xac") == "Ger\xc3\xa4t \xe2\x82\xac");
  CHECK(printable("\xff") == "?");
}

TEST_CASE("Text is counted and broken by characters, and not by bytes") {
  CHECK(characters_of("Ger\xc3\xa4t") == 5);
  CHECK(wrapped("aaaaaaaaaaaaaaaaaaaa bb", 20, 2) == "aaaaaaaaaaaaaaaaaaaa\n  bb");
  CHECK(wrapped("aaaaaaaaaaaaaaaaaaaabbb", 20) == "aaaaaaaaaaaaaaaaaaaa\nbbb");
  const std::string umlauts = "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4";
  CHECK(wrapped(umlauts + umlauts, 20) == umlauts + umlauts);
}

TEST_CASE("YAML quotes what would be read as something else") {
  CHECK(yaml(json{{"a", "yes"},
                  {"b", "vfio-pci"},
                  {"c", "0000:05:00.0"},
                  {"d", nullptr},
                  {"e", json::array()},
                  {"f", "8086"}}) == "a: \"yes\"\nb: vfio-pci\nc: \"0000:05:00.0\"\nd: null\ne: []\nf: \"8086\"\n");
  CHECK(yaml(json{{"items", {{{"a", 1}, {"b", {{"c", true}}}}, "x"}}}) ==
        "items:\n  - a: 1\n    b:\n      c: true\n  - x\n");
}

TEST_CASE("A refusal names each reason with what to do, and what could be accepted") {
  const json problem{{"code", "refused"},
                     {"detail", "x"},
                     {"blockers",
                      {{{"code", "net.address"},
                        {"severity", "block"},
                        {"acceptable", true},
                        {"detail", "The interface eth0 has an address."},
                        {"next_step", "Remove it."},
                        {"processes", json::array()}}}}};
  const auto text = problem_text(problem, {});
  CHECK(text ==
        "Refused: nothing was changed.\n  net.address\n      The interface eth0 has an address.\n      -> Remove it.\n"
        "To go on all the same: --accept net.address\n");
  auto mixed = problem;
  mixed["blockers"].push_back({{"code", "block.mounted"},
                               {"severity", "block"},
                               {"acceptable", false},
                               {"detail", "mounted"},
                               {"next_step", "umount"}});
  CHECK_THAT(problem_text(mixed, {}),
             has_text("What is not acceptable must end first; the rest could be accepted by --accept net.address."));
  mixed["blockers"].erase(0);
  CHECK_THAT(problem_text(mixed, {}), has_text("None of this can be accepted as a risk"));
}

TEST_CASE(
    "The name of a disk stays as it is where a sentence begins with it, and advice is in words of the command line") {
  const json mounted{{"code", "block.mounted"}, {"severity", "block"}, {"detail", "sda is mounted at /"}};
  CHECK_THAT(evidence_text(mounted, {}), has_text("      sda is mounted at /.\n"));
  const json group{{"code", "group.not_viable"},
                   {"severity", "warning"},
                   {"detail", "the group is not viable"},
                   {"next_step", "Ask with \"scope\":\"group\", or move or unbind that device."}};
  const json held{
      {"code", "claim.held"},
      {"severity", "block"},
      {"detail", "It is held."},
      {"next_step",
       "End it: DELETE /v1/claims/5; where it is quarantined, acknowledge that: POST /v1/claims/5/acknowledge."}};
  CHECK_THAT(
      evidence_text(held, {}),
      has_text("End it: devbindctl release 5; where it is quarantined, acknowledge that: devbindctl acknowledge 5."));
  CHECK_THAT(evidence_text(group, {}), has_text("      The group is not viable.\n"));
  CHECK_THAT(evidence_text(group, {}), has_text("-> Name the IOMMU group instead of the device, or move"));
}

TEST_CASE("A failure has errno, meaning, the kernel's lines and what is not back") {
  const json problem{{"code", "bind_failed"},
                     {"detail", "the driver refused it"},
                     {"errno", "EIO"},
                     {"meaning", "the device did not answer"},
                     {"restored", false},
                     {"unrestored", {"0000:05:00.0"}},
                     {"kernel_log", {"e1000: probe failed"}},
                     {"step", {{"path", "/sys/bus/pci/drivers/e1000/bind"}, {"value", "0000:05:00.0"}}}};
  CHECK(problem_text(problem, {}) ==
        "The driver refused it. [bind_failed]\n  The device did not answer.\n"
        "  It failed at: echo 0000:05:00.0 > /sys/bus/pci/drivers/e1000/bind (EIO)\n  kernel: e1000: probe failed\n"
        "  What was there before is NOT back: 0000:05:00.0.\n");
}

TEST_CASE("Each kind of problem has its exit status") {
  CHECK(status_of("refused") == ExitStatus::Refused);
  CHECK(status_of("forbidden") == ExitStatus::Refused);
  CHECK(status_of("not_enough_devices") == ExitStatus::Refused);
  CHECK(status_of("nothing_to_restore") == ExitStatus::NothingToDo);
  CHECK(status_of("device_not_found") == ExitStatus::Error);
  CHECK(status_of("bind_failed") == ExitStatus::Error);
  CHECK(failure_of({.status = 500, .fields = {}, .body = "<html>", .descriptors = {}}).text == "devbindd answers 500.");
}

TEST_CASE("The words of run's command get the values of the claim") {
  const json claim{
      {"id", "c1"},
      {"devices",
       {{{"address", "0000:05:00.1"}, {"companion", true}}, {{"address", "0000:05:00.0"}, {"companion", false}}}}};
  const auto words = with_values({"{device}", "x{fd:container}-{fd:group}", "{claim}", "{fd:device}"}, claim,
                                 {"container", "group", "group"});
  CHECK(words == std::vector<std::string>{"0000:05:00.0", "x3-4", "c1", "{fd:device}"});
  CHECK(wants_handover({"qemu-system-x86_64", "{qemu}"}));
  CHECK_FALSE(wants_handover({"echo", "x{qemu}"}));
}

TEST_CASE("A query value is escaped") { CHECK(escaped("a b&c=\xc3\xa4~") == "a%20b%26c%3D%C3%A4~"); }

}  // namespace devbindd::clients
