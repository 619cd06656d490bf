// SPDX-License-Identifier: Apache-2.0
// /proc/PID/status and /proc/PID/limits.
#include "sysfs/kernel/locked_memory.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto middle = text.find('\0');
  const auto limits = middle == std::string_view::npos ? std::string_view{} : text.substr(middle + 1);
  const auto memory = sysfs::locked_memory_from(text.substr(0, middle), limits);
  if (memory) fuzz::must(memory->locked % 1024 == 0 && text.find("Uid:") != std::string_view::npos);
  return 0;
}
