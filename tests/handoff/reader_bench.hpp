// SPDX-License-Identifier: Apache-2.0
// A reader of handoff/ on a FakeKernel with workers.
#pragma once

#include <optional>

#include "tests/handoff/stage.hpp"

namespace devbindd::tests {

inline const handoff::Asker somebody{.name = "uid 7"};

/// `Answer` is what the reader's callback gets, `Arguments` are what is asked for.
template <class Reader, class Answer, class... Arguments>
struct ReaderBench {
  /// Asks, and waits for the answer.
  Answer read(const Arguments&... arguments) {
    std::optional<Answer> answer;
    reader.read(arguments..., somebody, [&answer](Answer read) { answer = std::move(read); });
    run_until(io, [&answer] { return answer.has_value(); });
    return *answer;
  }
  /// Lets everything happen that is ready to.
  void settle() {
    io.restart();
    io.poll();
  }

  std::shared_ptr<FakeKernel> kernel = usual_machine();
  boost::asio::io_context io;
  FakeIoctl ioctl;
  sysfs::ModuleIndex index{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  FakeWorkers workers{io, *kernel, ioctl, index};
  Reader reader{workers.run_task()};
};

}  // namespace devbindd::tests
