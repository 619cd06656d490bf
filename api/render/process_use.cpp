// SPDX-License-Identifier: Apache-2.0
#include "api/render/process_use.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <vector>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

constexpr std::size_t behind_name = 3;  // the number of the first field of stat that follows the name

double seconds_of(clockid_t clock) {
  std::timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double number_at(const std::vector<std::string_view>& fields, std::size_t number) {
  const auto at = number - behind_name;
  return at < fields.size() ? std::strtod(std::string(fields[at]).c_str(), nullptr) : 0;
}

}  // namespace

std::optional<ProcessUse> process_use(const sysfs::Tree& tree) {
  const auto stat = tree.read("proc/self/stat");
  const auto descriptors = tree.list("proc/self/fd");
  if (!stat || !descriptors) return std::nullopt;
  const auto name_end = stat->rfind(')');  // the name of a process may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  const auto words = sysfs::words_of(std::string_view(*stat).substr(name_end + 1));
  const auto& fields = words;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto age = seconds_of(CLOCK_BOOTTIME) - number_at(fields, 22) / ticks;
  return ProcessUse{.cpu_seconds = (number_at(fields, 14) + number_at(fields, 15)) / ticks,
                    .start_seconds = seconds_of(CLOCK_REALTIME) - age,
                    .resident_bytes = static_cast<std::uint64_t>(number_at(fields, 24) * page),
                    .virtual_bytes = static_cast<std::uint64_t>(number_at(fields, 23)),
                    .open_descriptors = descriptors->size(),
                    .most_descriptors = limit.rlim_cur,
                    .threads = static_cast<std::uint64_t>(number_at(fields, 20))};
}

}  // namespace devbindd::api
