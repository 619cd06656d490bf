// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/kernel_log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include "sysfs/kernel/lent_rights.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_records = 65536;  // more than the largest usual log buffer holds

bool names_any(std::string_view text, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [text](const std::string& name) { return text.contains(name); });
}

// From where the descriptor stands to the end of the log.
template <class Take>
void for_each_record(const FileDescriptor& log, Take take) {
  std::array<char, 8192> buffer{};
  for (std::size_t count = 0; count < max_records; ++count) {
    const auto size = ::read(log.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EPIPE || errno == EINTR)) continue;  // overwritten meanwhile: the next record is there
    if (size <= 0) break;
    if (const auto text = parse_kernel_log_record({buffer.data(), static_cast<std::size_t>(size)})) take(*text);
  }
}

}  // namespace

std::optional<std::string> parse_kernel_log_record(std::string_view record) {
  const auto semicolon = record.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  const auto header = record.substr(0, semicolon);
  // "6,339,5140900,-,caller=T1": upper case comes with CONFIG_PRINTK_CALLER.
  const auto is_header = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ',' || c == '-' ||
           c == '=';
  };
  if (header.empty() || header.find(',') == std::string_view::npos || !std::ranges::all_of(header, is_header))
    return std::nullopt;
  const auto text = record.substr(semicolon + 1);
  return std::string(text.substr(0, text.find('\n')));
}

std::optional<std::vector<std::string>> kernel_log_lines(const std::vector<std::string>& words, std::size_t limit) {
  const FileDescriptor log = open_for_reading("/dev/kmsg");
  if (!log) return std::nullopt;
  std::vector<std::string> lines;
  for_each_record(log, [&](const std::string& text) {
    if (lines.size() < limit && names_any(text, words)) lines.push_back(text);
  });
  return lines;
}

KernelLogMark KernelLogMark::now() {
  KernelLogMark mark;
  FileDescriptor log = open_for_reading("/dev/kmsg");
  if (log && ::lseek(log.get(), 0, SEEK_END) >= 0) mark.log_ = std::move(log);
  return mark;
}

std::vector<std::string> KernelLogMark::lines_about(const std::vector<PciAddress>& addresses, std::size_t limit) {
  std::vector<std::string> lines;
  if (!log_) return lines;
  std::vector<std::string> names;
  for (const auto& address : addresses) names.push_back(to_string(address));
  for_each_record(log_, [&](const std::string& text) {
    if (names_any(text, names)) lines.push_back(text);
  });
  if (lines.size() > limit) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(limit));
  return lines;
}

}  // namespace devbindd::sysfs
