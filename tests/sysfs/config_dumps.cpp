// SPDX-License-Identifier: Apache-2.0
// See config_dumps.hpp.
#include "tests/sysfs/config_dumps.hpp"

#include <regex>
#include <sstream>

namespace devbindd::tests {

std::vector<ConfigDump> read_dumps(std::istream& text) {
  static const std::regex title(R"(^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) .*)");
  static const std::regex bytes(R"(^[0-9a-f]{2,8}: ((?:[0-9a-f]{2} ?)+)$)");
  std::vector<ConfigDump> dumps;
  for (std::string line; std::getline(text, line);) {
    std::smatch match;
    if (std::regex_match(line, match, title)) {
      dumps.push_back({match[1], {}});
    } else if (!dumps.empty() && std::regex_match(line, match, bytes)) {
      std::istringstream numbers(match[1]);
      numbers >> std::hex;
      for (unsigned byte = 0; numbers >> byte;) dumps.back().config.bytes.push_back(static_cast<std::byte>(byte));
    }
  }
  for (auto& dump : dumps) {
    const auto size = dump.config.bytes.size();
    if (size == sysfs::conventional_bytes || size == sysfs::extended_bytes) dump.config.file_size = size;
  }
  return dumps;
}

}  // namespace devbindd::tests
