// SPDX-License-Identifier: Apache-2.0
#include "vfio/question.hpp"

namespace devbindd::vfio {

std::uint32_t argsz_of(const Bytes& bytes) {
  std::uint32_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  return size;
}

void set_argsz(Bytes& bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &size, sizeof size);
}

RawAnswer ask(const Ioctl& ioctl, const FileDescriptor& fd, unsigned long request, std::string question,
              Bytes argument) {
  set_argsz(argument);
  auto first = argument;
  auto done = ioctl.call(fd, request, first);
  if (done && argsz_of(first) > first.size() && argsz_of(first) <= max_answer) {
    argument.resize(argsz_of(first));
    set_argsz(argument);
    first = argument;
    done = ioctl.call(fd, request, first);
  }
  return {std::move(question), done ? 0 : done.error().errno_value, done ? std::move(first) : Bytes{}};
}

}  // namespace devbindd::vfio
