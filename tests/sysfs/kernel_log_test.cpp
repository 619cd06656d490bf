// SPDX-License-Identifier: Apache-2.0
// Records of the kernel log.
#include "sysfs/kernel/kernel_log.hpp"

#include "tests/catch2.hpp"

namespace devbindd::kernel_log_test {

using devbindd::sysfs::parse_kernel_log_record;

TEST_CASE("The text of a kernel log record is what stands between its header and its keys") {
  struct Row {
    std::string record;
    std::optional<std::string> text;
  };
  const auto row = GENERATE(values<Row>({
      {"3,1204,58210734,-;vfio-pci: probe of 0000:05:00.0 failed with error -22\n SUBSYSTEM=pci\n "
       "DEVICE=+pci:0000:05:00.0\n",
       "vfio-pci: probe of 0000:05:00.0 failed with error -22"},
      {"6,339,5140900,-;NET: Registered PF_INET6 protocol family", "NET: Registered PF_INET6 protocol family"},
      {"6,339,5140900,c;part of a line\n", "part of a line"},
      {"6,340,5140900,-,caller=T1;with caller\n", "with caller"},
      {"4,1,0,-;", ""},
      {"4,1,0,-;one; two; three\n", "one; two; three"},
      {"4,1,0,-;caf\\xc3\\xa9\n", "caf\\xc3\\xa9"},
      {"", std::nullopt},
      {";text", std::nullopt},
      {"no semicolon", std::nullopt},
      {"just text; with a semicolon", std::nullopt},
      {"5;text", std::nullopt},
  }));
  CAPTURE(row.record);
  CHECK(parse_kernel_log_record(row.record) == row.text);
}

TEST_CASE("A log that cannot be read gives no lines") {
  devbindd::sysfs::KernelLogMark mark;
  CHECK_FALSE(mark.readable());
  CHECK(mark.lines_about({}).empty());
}

}  // namespace devbindd::kernel_log_test
