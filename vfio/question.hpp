// SPDX-License-Identifier: Apache-2.0
// Asking the kernel one thing by an ioctl whose argument begins with its own size, as VFIO's and iommufd's do.
// Not here: what is asked (probe.cpp, probe_iommu.cpp) and what the answers mean (probe_report.cpp).
#pragma once

#include <cstring>
#include <string>

#include "vfio/probe.hpp"

namespace devbindd::vfio {

constexpr std::size_t max_answer = 1U << 20U;  ///< bytes; more than any kernel needs

template <class Struct>
Bytes bytes_of(const Struct& value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// The first field, `argsz` (iommufd: `size`), of a buffer of at least 4 bytes.
std::uint32_t argsz_of(const Bytes& bytes);
/// Makes it the buffer's own length.
void set_argsz(Bytes& bytes);

/// Asks, and asks again with the room that the kernel says it needs. `question` is the answer's name.
RawAnswer ask(const Ioctl& ioctl, const FileDescriptor& fd, unsigned long request, std::string question,
              Bytes argument);

}  // namespace devbindd::vfio
