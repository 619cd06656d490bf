// SPDX-License-Identifier: Apache-2.0
// The host that the contract daemon pretends to run on: one of each kind of device that the API tells apart.
#pragma once

#include <string>
#include <vector>

#include "tests/fake_kernel.hpp"
#include "vfio/ioctl.hpp"

namespace devbindd::tests {

/// Addresses, groups and what is special are in machine.cpp, one line each; run.py names the same addresses.
void populate(FakeKernel& kernel);

/// What the kernel has said at boot of the firmware's tables.
std::vector<std::string> kernel_log_lines();

/// Adds network cards without a driver, each alone in its group, from domain 0x20000 and group 1000 on.
void add_cards(FakeKernel& kernel, unsigned count);

/// A VFIO container that answers as a host with an IOMMU does.
class AnsweringIoctl final : public vfio::Ioctl {
 public:
  vfio::Result<vfio::FileDescriptor> open_container() const override { return open_node("/dev/vfio/vfio"); }
  vfio::Result<int> api_version(const vfio::FileDescriptor&) const override { return 0; }
  vfio::Result<int> check_extension(const vfio::FileDescriptor&, unsigned long number) const override {
    return number == 1 || number == 3 || number == 4 || number == 9 ? 1 : 0;
  }
  /// No device is behind it: a file in memory with the node's path in it. The node that open_fails() names does not
  /// open.
  vfio::Result<vfio::FileDescriptor> open_node(const std::string& path) const override;
  void open_fails(std::string path, int errno_value) {
    busy_path_ = std::move(path);
    busy_errno_ = errno_value;
  }
  /// How many nodes of groups and devices were opened: each of them may reset a device.
  std::size_t opened() const { return opened_; }
  vfio::Result<int> call(const vfio::FileDescriptor&, unsigned long request, vfio::Bytes& argument) const override;
  vfio::Result<int> call(const vfio::FileDescriptor&, unsigned long, unsigned long) const override { return 0; }

 private:
  std::string busy_path_;
  int busy_errno_ = 0;
  mutable std::size_t opened_ = 0;
};

}  // namespace devbindd::tests
