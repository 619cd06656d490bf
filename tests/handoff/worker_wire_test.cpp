// SPDX-License-Identifier: Apache-2.0
// The bytes between the daemon and a worker: what goes in comes out, and nothing else does.
#include "handoff/worker/worker_wire.hpp"

#include <random>
#include <set>

#include "handoff/worker/wire_members.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/task_samples.hpp"

namespace devbindd::worker_wire_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using tests::task_samples;

const std::vector<TaskResult>& failures() {
  static const std::vector<TaskResult> all = {
      std::unexpected(sysfs::Error{sysfs::ErrorCode::Kernel, tests::odd, EBUSY, "/sys/x"}),
      std::unexpected(sysfs::Error{sysfs::ErrorCode::InvalidAddress, "", -1, ""}),
  };
  return all;
}

bool same(const TaskResult& left, const TaskResult& right) {
  if (left.has_value() != right.has_value()) return false;
  if (left) return *left == *right;
  const auto& one = left.error();
  const auto& other = right.error();
  return one.code == other.code && one.message == other.message && one.errno_value == other.errno_value &&
         one.path == other.path;
}

/// What is decoded has these bytes and no others, and answers what was asked.
void check_result(const std::string& frame, const TaskWork& asked) {
  const auto result = decode_result(frame, asked);
  if (!result) return;
  CHECK(encode(*result) == frame);
  CHECK((!*result || (*result)->index() == asked.index()));
}

void check_task(const std::string& frame) {
  if (const auto task = decode_task(frame)) CHECK(encode(*task) == frame);
}

/// A frame of this payload.
std::string framed(std::string payload) {
  std::string frame;
  for (unsigned shift = 0; shift < 32; shift += 8)
    frame.push_back(static_cast<char>((payload.size() >> shift) & 0xffU));
  return frame + payload;
}

/// The value after the last one has no name.
template <class Enumeration>
bool ends_at_its_last(std::string_view none) {
  const auto last = wire::last_of<Enumeration>;
  return name_of(last) != none && name_of(static_cast<Enumeration>(static_cast<int>(last) + 1)) == none;
}

}  // namespace

TEST_CASE("There is a sample of every kind of task") {
  std::set<std::size_t> kinds;
  for (const auto& sample : task_samples()) kinds.insert(sample.work.index());
  CHECK(kinds.size() == std::variant_size_v<TaskWork>);
}

TEST_CASE("Every task comes out of its bytes as it went in") {
  for (const auto& [work, answer] : task_samples()) {
    const auto frame = encode(Task{work, {.name = "uid 7"}});
    INFO(work.index());
    CHECK(frame_size(frame) == frame.size());
    REQUIRE(decode_task(frame).has_value());
    CHECK((decode_task(frame)->work == work));
  }
}

TEST_CASE("Every answer and error comes out of its bytes as it went in") {
  for (const auto& [work, answer] : task_samples()) {
    INFO(work.index());
    const auto frame = encode(answer);
    CHECK(frame_size(frame) == frame.size());
    REQUIRE(decode_result(frame, work).has_value());
    CHECK(same(*decode_result(frame, work), answer));
    for (const auto& failure : failures()) {
      REQUIRE(decode_result(encode(failure), work).has_value());
      CHECK(same(*decode_result(encode(failure), work), failure));
    }
  }
}

TEST_CASE("An answer to another kind of task is malformed") {
  const auto samples = task_samples();
  for (const auto& [work, answer] : samples) {
    for (const auto& other : samples)
      CHECK(decode_result(encode(answer), other.work).has_value() == (work.index() == other.work.index()));
  }
}

TEST_CASE("A frame that is cut off anywhere, or too long, is malformed") {
  for (const auto& [work, answer] : task_samples()) {
    const auto task = encode(Task{work});
    const auto result = encode(answer);
    INFO(work.index());
    for (std::size_t size = 0; size < std::min<std::size_t>(task.size(), 2000); ++size) {
      CHECK_FALSE(decode_task(task.substr(0, size)));
      if (size >= 4) CHECK_FALSE(decode_task(framed(task.substr(4, size - 4))));
    }
    for (std::size_t size = 0; size < result.size(); ++size) {
      CHECK_FALSE(decode_result(result.substr(0, size), work).has_value());
      if (size >= 4) CHECK_FALSE(decode_result(framed(result.substr(4, size - 4)), work).has_value());
    }
    CHECK_FALSE(decode_task(task + "x"));
    CHECK_FALSE(decode_task(framed(task.substr(4) + "x")));
    CHECK_FALSE(decode_result(result + "x", work).has_value());
    CHECK_FALSE(decode_result(framed(result.substr(4) + "x"), work).has_value());
  }
  const auto failed = encode(failures().front());
  for (std::size_t size = 0; size < failed.size(); ++size)
    CHECK_FALSE(decode_result(failed.substr(0, size), ReadVpd{}).has_value());
  CHECK_FALSE(frame_size("abc"));
}

TEST_CASE("A frame with one byte changed is another value or none, and never one of another kind") {
  for (const auto& [work, answer] : task_samples()) {
    INFO(work.index());
    const auto task = encode(Task{work});
    for (std::size_t at = 0; at < std::min<std::size_t>(task.size(), 400); ++at) {
      for (const int byte : {0, 1, 2, 0x7f, 0x80, 0xff}) {
        auto changed = task;
        changed[at] = static_cast<char>(byte);
        check_task(changed);
      }
    }
    const auto result = encode(answer);
    for (std::size_t at = 0; at < result.size(); ++at) {
      for (int byte = 0; byte < 256; byte += 3) {
        auto changed = result;
        changed[at] = static_cast<char>(byte);
        check_result(changed, work);
      }
    }
  }
}

TEST_CASE("Lengths and numbers beyond all bounds are malformed and take no memory") {
  const auto kind = [](std::size_t index) { return std::string(1, static_cast<char>(index)); };
  const std::string huge = "\xff\xff\xff\xff";
  CHECK_FALSE(decode_task(framed(kind(kind_of<ReadOverrides>) + huge)));
  CHECK_FALSE(decode_task(framed(kind(kind_of<OpenNodes>) + std::string("\1\0\0\0", 4) + huge)));
  CHECK_FALSE(decode_task(framed(kind(std::variant_size_v<TaskWork>))));
  CHECK_FALSE(decode_task(framed(huge)));
  CHECK_FALSE(decode_task(framed("")));
  CHECK_FALSE(decode_result(framed("\1" + kind(kind_of<ReadVpd>) + huge), ReadVpd{}).has_value());
  CHECK_FALSE(decode_result(framed("\2" + kind(kind_of<OpenNodes>)), OpenNodes{}).has_value());
  CHECK(decode_result(framed("\1" + kind(kind_of<OpenNodes>)), OpenNodes{}).has_value());
  CHECK(frame_size(std::string("\xff\xff\xff\xff", 4)) == 0x100000003U);
}

TEST_CASE("An address that no device can have, a flag that is neither and keys out of order are malformed") {
  const auto vpd = encode(Task{ReadVpd{{0, 5, 31, 7}}});
  auto slot = vpd;
  slot[vpd.size() - 2] = 32;
  auto function = vpd;
  function[vpd.size() - 1] = 8;
  CHECK(decode_task(vpd));
  CHECK_FALSE(decode_task(slot));
  CHECK_FALSE(decode_task(function));
  auto usage = encode(Task{FindUsage{{}, std::nullopt}});
  usage.back() = 2;
  CHECK_FALSE(decode_task(usage));

  const auto names = [](std::string_view first, std::string_view second) {
    auto frame = encode(result_of<ReadAlternativeNames>(sysfs::AlternativeNames{{"a", {}}, {"b", {}}}));
    frame.replace(frame.find('a'), 1, first);
    frame.replace(frame.rfind('b'), 1, second);
    return decode_result(frame, ReadAlternativeNames{}).has_value();
  };
  CHECK(names("a", "b"));
  CHECK_FALSE(names("b", "a"));
  CHECK_FALSE(names("b", "b"));
}

TEST_CASE("Every enumeration is known to its last value, and no further") {
  CHECK(ends_at_its_last<sysfs::StepKind>("unknown"));
  CHECK(ends_at_its_last<sysfs::UseKind>(""));
  CHECK(sysfs::error_code_named(name_of(wire::last_of<sysfs::ErrorCode>)) == wire::last_of<sysfs::ErrorCode>);
  const auto with_kind = [](int kind) {
    return decode_task(encode(Task{PerformStep{{static_cast<sysfs::StepKind>(kind), std::nullopt, ""}}})).has_value();
  };
  CHECK(with_kind(static_cast<int>(sysfs::StepKind::Reset)));
  CHECK_FALSE(with_kind(static_cast<int>(sysfs::StepKind::Reset) + 1));
  const auto with_code = [](int code) {
    const TaskResult failed = std::unexpected(sysfs::Error{static_cast<sysfs::ErrorCode>(code), "", 0, ""});
    return decode_result(encode(failed), ReadVpd{}).has_value();
  };
  CHECK(with_code(static_cast<int>(sysfs::ErrorCode::Kernel)));
  CHECK_FALSE(with_code(static_cast<int>(sysfs::ErrorCode::Kernel) + 1));
}

TEST_CASE("Bytes that mean nothing never do any harm") {
  std::mt19937 random(42);
  for (const auto& [work, answer] : task_samples()) {
    const auto task = encode(Task{work});
    const auto result = encode(answer);
    for (int round = 0; round < 1'000; ++round) {
      auto asked = task.substr(0, 400);
      auto answered = result;
      const auto changes = 1 + random() % 6;
      for (unsigned change = 0; change < changes; ++change) {
        asked[random() % asked.size()] = static_cast<char>(random());
        answered[random() % answered.size()] = static_cast<char>(random());
      }
      check_task(asked);
      check_result(answered, work);
    }
  }
}

TEST_CASE("A typed result of another task is an error, and its own comes back") {
  const auto holders = result_of<FindHolders>(FindHolders::Answer(1));
  CHECK(result_to<FindHolders>(holders).value().size() == 1);
  CHECK(result_to<ReadOverrides>(holders).error().errno_value == EINVAL);
  CHECK(result_to<ReadVpd>(failures().front()).error().errno_value == EBUSY);
}

}  // namespace devbindd::worker_wire_test
