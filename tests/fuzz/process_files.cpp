// SPDX-License-Identifier: Apache-2.0
// /proc/PID/stat, maps and the targets of descriptors: a process chooses its name and the paths of its files.
#include "sysfs/use/process_files.hpp"

#include <cerrno>
#include <string>

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

namespace {

// One process; the input is its stat, its maps and the target of its only descriptor, with zeros between them.
class OneProcess final : public sysfs::Tree {
 public:
  explicit OneProcess(std::string_view text) {
    for (auto* part : {&stat_, &maps_, &target_}) {
      *part = text.substr(0, text.find('\0'));
      text.remove_prefix(std::min(part->size() + 1, text.size()));
    }
  }

  sysfs::Result<std::string> read(std::string_view path, std::size_t) const override {
    if (path == "proc/7/stat") return std::string(stat_);
    if (path == "proc/7/maps") return std::string(maps_);
    return absent(path);
  }
  sysfs::Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
    return read(path, limit);
  }
  sysfs::Result<> write(std::string_view path, std::string_view) override { return absent(path); }
  sysfs::Result<std::optional<std::string>> link(std::string_view path) const override {
    return path == "proc/7/fd/3" ? std::optional(std::string(target_)) : std::nullopt;
  }
  sysfs::Result<std::vector<std::string>> list(std::string_view path) const override {
    if (path == "proc") return std::vector<std::string>{"7", "version"};
    if (path == "proc/7/fd") return std::vector<std::string>{"3"};
    return absent(path);
  }
  sysfs::Result<std::optional<sysfs::NodeStatus>> status(std::string_view) const override {
    return sysfs::NodeStatus{.major = 8, .minor = 0, .block_device = true};
  }

 private:
  static std::unexpected<sysfs::Error> absent(std::string_view path) {
    return std::unexpected(
        sysfs::Error{.code = sysfs::ErrorCode::Kernel, .message = std::string(path), .errno_value = ENOENT});
  }

  std::string_view stat_;
  std::string_view maps_;
  std::string_view target_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const OneProcess tree(fuzz::text_of(data, size));
  const auto seen = sysfs::each_process_file(tree, [](const sysfs::ProcessFile& file) {
    fuzz::must(file.pid == 7 && file.path.starts_with('/') && file.number.has_value() != file.function.has_value());
    fuzz::must(file.mapped || (file.offset == 0 && file.length == 0));
  });
  fuzz::must(seen && seen->descriptors <= 1 && seen->unread == 0);
  return 0;
}
