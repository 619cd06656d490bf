// SPDX-License-Identifier: Apache-2.0
// What /proc says of a process's locked memory.
#include "sysfs/kernel/locked_memory.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::locked_memory_test {

namespace {

using namespace devbindd;
using namespace devbindd::sysfs;

constexpr const char* status = "Name:\tqemu\nUid:\t1000\t0\t0\t0\nVmLck:\t    2048 kB\nCapEff:\t0000000000004000\n";

std::string limits(const std::string& soft, const std::string& hard) {
  return "Limit                     Soft Limit           Hard Limit           Units     \n"
         "Max processes             1                    2                    processes \n"
         "Max locked memory         " +
         soft + "              " + hard + "              bytes     \n";
}

}  // namespace

TEST_CASE("A process's limit, what it has locked, and whether the limit holds for it") {
  tests::FakeKernel kernel;
  kernel.set_file("proc/7/status", status);
  kernel.set_file("proc/7/comm", "qemu\n");
  kernel.set_file("proc/7/limits", limits("8388608", "unlimited"));
  const auto memory = read_locked_memory(kernel, 7).value();
  CHECK(memory.limit == LockedMemoryLimit{8388608, std::nullopt});
  CHECK(memory.command == "qemu");
  CHECK(memory.uid == 1000);
  CHECK(memory.locked == 2048U * 1024);
  CHECK(memory.may_exceed);
  kernel.set_file("proc/7/status", "Uid:\t1\nCapEff:\t000001ffffffbfff\n");
  CHECK_FALSE(read_locked_memory(kernel, 7)->may_exceed);
  CHECK(read_locked_memory(kernel, 7)->locked == 0);  // a kernel thread has no memory of its own
}

TEST_CASE("What cannot be read is no process") {
  tests::FakeKernel kernel;
  CHECK(read_locked_memory(kernel, 7).error().code == ErrorCode::OwnerNotFound);
  kernel.set_file("proc/7/status", status);
  CHECK(read_locked_memory(kernel, 7).error().code == ErrorCode::OwnerNotFound);
  for (const auto* wrong : {"", "Max locked memory", "Max locked memory 1", "Max locked memory x y bytes"}) {
    kernel.set_file("proc/7/limits", wrong);
    CHECK(read_locked_memory(kernel, 7).error().code == ErrorCode::OwnerNotFound);
  }
  kernel.set_file("proc/7/limits", limits("1", "2"));
  CHECK(read_locked_memory(kernel, 7));
  for (const auto* wrong : {"", "Uid:\n", "Uid:\tx\nCapEff:\t0\n", "Uid:\t1\n", "CapEff:\t0\n"}) {
    kernel.set_file("proc/7/status", wrong);
    CHECK(read_locked_memory(kernel, 7).error().code == ErrorCode::OwnerNotFound);
  }
}

// On a child of this test alone.
TEST_CASE("A limit is raised to what is asked for, and never lowered") {
  const auto child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  REQUIRE(child > 0);
  rlimit now{};
  REQUIRE(::prlimit(child, RLIMIT_MEMLOCK, nullptr, &now) == 0);
  const rlimit low{.rlim_cur = 65536, .rlim_max = now.rlim_max};
  REQUIRE(::prlimit(child, RLIMIT_MEMLOCK, &low, nullptr) == 0);
  const auto wanted = std::min<rlim_t>(now.rlim_max, 131072);
  CHECK(raise_locked_memory(child, wanted));
  REQUIRE(::prlimit(child, RLIMIT_MEMLOCK, nullptr, &now) == 0);
  CHECK(now.rlim_cur == wanted);
  CHECK(now.rlim_max == low.rlim_max);
  CHECK(raise_locked_memory(child, 4096));
  REQUIRE(::prlimit(child, RLIMIT_MEMLOCK, nullptr, &now) == 0);
  CHECK(now.rlim_cur == wanted);
  ::kill(child, SIGKILL);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  const auto gone = raise_locked_memory(child, 4096);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == ErrorCode::LimitNotRaised);
  CHECK(gone.error().errno_value == ESRCH);
}

}  // namespace devbindd::locked_memory_test
