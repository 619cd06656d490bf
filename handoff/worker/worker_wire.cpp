// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_wire.hpp"

#include <utility>

#include "handoff/worker/wire_codec.hpp"

namespace devbindd::handoff {
namespace {

using wire::payload_of;
using wire::Reader;
using wire::Writer;

// A result as what it is made of.
using Outcomes = std::variant<sysfs::Error, TaskAnswer>;

}  // namespace

std::string encode(const Task& task) {
  Writer writer;
  writer.put(task.work);
  return writer.frame();
}

std::string encode(const TaskResult& result) {
  Writer writer;
  writer.put(result.has_value());
  if (result) writer.put(*result);
  if (!result) writer.put(result.error());
  return writer.frame();
}

std::optional<std::size_t> frame_size(std::string_view bytes) { return wire::frame_size_of(bytes); }

std::optional<Task> decode_task(std::string_view frame) {
  auto work = payload_of(frame, TaskWork());
  if (!work) return std::nullopt;
  return Task{std::move(*work)};
}

std::optional<TaskResult> decode_result(std::string_view frame, const TaskWork& asked) {
  auto outcome = payload_of(frame, Outcomes());
  if (!outcome) return std::nullopt;
  if (auto* error = std::get_if<sysfs::Error>(&*outcome)) return TaskResult(std::unexpected(std::move(*error)));
  auto& answer = std::get<TaskAnswer>(*outcome);
  if (answer.index() != asked.index()) return std::nullopt;
  return TaskResult(std::move(answer));
}

}  // namespace devbindd::handoff
