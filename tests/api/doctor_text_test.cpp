// SPDX-License-Identifier: Apache-2.0
// The preflight's report, letter by letter.
#include "api/render/doctor_text.hpp"

#include <algorithm>
#include <sstream>

#include "tests/catch2.hpp"

namespace devbindd::doctor_text_test {

namespace {

using devbindd::api::doctor_text;
using devbindd::handoff::Check;
using devbindd::handoff::Verdict;

const std::vector<Check> checks{
    {"kernel.version", Verdict::Pass, "Kernel version", "Linux 6.1.0-44-amd64.", ""},
    {"iommu.present", Verdict::Fail, "IOMMU",
     "The firmware announces an IOMMU (table DMAR), but this kernel uses it only when booted with intel_iommu=on.",
     "Add intel_iommu=on to the kernel command line and reboot."},
    {"memory.hugepages", Verdict::Warn, "Huge pages",
     "None are reserved. VFIO needs none, but DPDK, SPDK and fast guests do.",
     "For DPDK: echo 1024 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, or hugepages= at boot."},
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("The report of a host with one of each") {
  CHECK(doctor_text(checks, "node7") ==
        R"(devbindd's look at node7
3 checks: 1 ok, 1 warning, 1 failure

[ ok ] Kernel version
       Linux 6.1.0-44-amd64.

[FAIL] IOMMU
       The firmware announces an IOMMU (table DMAR), but this kernel uses it only when booted with
       intel_iommu=on.
       -> Add intel_iommu=on to the kernel command line and reboot.

[warn] Huge pages
       None are reserved. VFIO needs none, but DPDK, SPDK and fast guests do.
       -> For DPDK: echo 1024 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, or
          hugepages= at boot.
)");
}

TEST_CASE("A report without a check is its head") {
  CHECK(doctor_text({}, "node7") == "devbindd's look at node7\n0 checks: 0 ok, 0 warnings, 0 failures\n");
}

TEST_CASE("No line is wider than 100 columns, and no word is lost") {
  for (std::size_t length = 1; length < 220; ++length) {
    const std::string word(length, 'x');
    const auto text =
        doctor_text({{"id", Verdict::Warn, word, "ab " + word + " " + word + " cd", word}}, std::string(length, 'h'));
    std::size_t letters = 0;
    for (const auto& line : lines_of(text)) {
      CHECK(line.size() <= 100);
      letters += static_cast<std::size_t>(std::ranges::count(line, 'x'));
    }
    CHECK(letters == 4 * length);
  }
}

TEST_CASE("A line is filled up to its last column") {
  const auto line_with = [](std::size_t length) {
    return lines_of(doctor_text({{"id", Verdict::Pass, "t", "ab " + std::string(length, 'x'), ""}}, "h")).at(4);
  };
  CHECK(line_with(90).size() == 100);
  CHECK(line_with(91) == "       ab");
}

TEST_CASE("A long word is not cut within a character") {
  auto word = GENERATE(values<std::string>({"a", "ab"}));  // so that one of them would be cut in the middle
  for (int letter = 0; letter < 80; ++letter) word += "\xc3\xa9";
  for (const auto& line : lines_of(doctor_text({{"id", Verdict::Pass, "t", word, ""}}, "h"))) {
    CHECK((line.empty() || (static_cast<unsigned char>(line.back()) & 0xc0U) != 0xc0U));
  }
}

TEST_CASE("What comes from files cannot steer a terminal") {
  const auto text = doctor_text({{"id", Verdict::Pass, "t", "a\x1b[2Jb\nc\td\x7f", ""}}, "h\x07");
  CHECK(text == "devbindd's look at h?\n1 check: 1 ok, 0 warnings, 0 failures\n\n[ ok ] t\n       a?[2Jb c d?\n");
}

}  // namespace devbindd::doctor_text_test
