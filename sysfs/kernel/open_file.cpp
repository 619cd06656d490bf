// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/open_file.hpp"

#include <unistd.h>

#include <array>

namespace devbindd::sysfs {

std::optional<std::string> read_until(const FileDescriptor& file, std::size_t most) {
  std::string text;
  std::array<char, 4096> chunk{};
  while (text.size() <= most) {
    const auto got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace devbindd::sysfs
