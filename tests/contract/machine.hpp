// The host that the contract daemon pretends to run on: one of each kind of device that the API tells apart.
#pragma once

#include "tests/fake_kernel.hpp"
#include "vfio/ioctl.hpp"

namespace devbindd::tests {

/// Addresses, groups and what is special are in machine.cpp, one line each; run.py names the same addresses.
void populate(FakeKernel& kernel);

/// A VFIO container that answers as a host with an IOMMU does.
class AnsweringIoctl final : public vfio::Ioctl {
 public:
  vfio::Result<vfio::FileDescriptor> open_container() const override { return vfio::FileDescriptor(); }
  vfio::Result<int> api_version(const vfio::FileDescriptor&) const override { return 0; }
  vfio::Result<int> check_extension(const vfio::FileDescriptor&, unsigned long number) const override {
    return number == 1 || number == 3 || number == 4 || number == 9 ? 1 : 0;
  }
  // No device is behind it.
  /// The descriptors are empty ones: nothing is opened here, and nothing must be closed.
  vfio::Result<vfio::FileDescriptor> open_node(const std::string&) const override { return vfio::FileDescriptor(); }
  vfio::Result<int> call(const vfio::FileDescriptor&, unsigned long request, vfio::Bytes& argument) const override;
  vfio::Result<int> call(const vfio::FileDescriptor&, unsigned long, unsigned long) const override { return 0; }
};

}  // namespace devbindd::tests
