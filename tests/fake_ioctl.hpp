// SPDX-License-Identifier: Apache-2.0
// An Ioctl that answers from a list of expected calls, in their order; anything else is an error of the test.
#pragma once

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "vfio/ioctl.hpp"

namespace devbindd::tests {

/// One expected call and its answer. `number` is the extension for check_extension, the request for call.
struct FakeCall {
  std::string name = {};  ///< "open_container", "api_version", "check_extension", "open_node", "call"
  unsigned long number = 0;
  int answer = 0;
  int errno_value = 0;
  std::string path = {};                   ///< of open_node
  std::optional<vfio::Bytes> filled = {};  ///< what the kernel leaves in the argument of call
};

class FakeIoctl final : public vfio::Ioctl {
 public:
  void expect(FakeCall call) { calls_.push_back(std::move(call)); }
  bool used_up() const { return calls_.empty(); }
  /// Besides the expected calls nodes can be opened, but these.
  void open_freely(std::set<std::string> busy = {}) { busy_ = std::move(busy); }

  vfio::Result<vfio::FileDescriptor> open_container() const override {
    const auto made = next("open_container", 0);
    if (!made) return std::unexpected(made.error());
    return vfio::FileDescriptor();
  }
  vfio::Result<int> api_version(const vfio::FileDescriptor&) const override {
    return answer_of(next("api_version", 0));
  }
  vfio::Result<int> check_extension(const vfio::FileDescriptor&, unsigned long extension) const override {
    return answer_of(next("check_extension", extension));
  }
  vfio::Result<vfio::FileDescriptor> open_node(const std::string& path) const override {
    if (busy_ && calls_.empty()) {
      if (!busy_->contains(path)) return vfio::FileDescriptor();
      return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot open " + path, EBUSY, path);
    }
    const auto made = next("open_node", 0);
    if (!made) return std::unexpected(made.error());
    if (made->path != path) throw std::logic_error("opened " + path + " instead of " + made->path);
    return vfio::FileDescriptor();
  }
  vfio::Result<int> call(const vfio::FileDescriptor&, unsigned long request, vfio::Bytes& argument) const override {
    const auto made = next("call", request);
    if (made && made->filled) argument = *made->filled;
    return answer_of(made);
  }
  vfio::Result<int> call(const vfio::FileDescriptor&, unsigned long request, unsigned long) const override {
    return answer_of(next("call", request));
  }

 private:
  static vfio::Result<int> answer_of(const vfio::Result<FakeCall>& made) {
    if (!made) return std::unexpected(made.error());
    return made->answer;
  }

  vfio::Result<FakeCall> next(const std::string& name, unsigned long number) const {
    if (calls_.empty()) throw std::logic_error("unexpected call of " + name);
    auto made = std::move(calls_.front());
    calls_.pop_front();
    if (made.name != name || made.number != number) throw std::logic_error(name + " called instead of " + made.name);
    if (made.errno_value != 0)
      return sysfs::fail(sysfs::ErrorCode::Kernel, name + " failed", made.errno_value, "/dev/vfio/vfio");
    return made;
  }

  mutable std::deque<FakeCall> calls_;
  std::optional<std::set<std::string>> busy_ = {};
};

}  // namespace devbindd::tests
