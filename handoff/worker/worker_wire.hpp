// SPDX-License-Identifier: Apache-2.0
// The bytes between the daemon and a worker process: tasks one way, results the other. Both ends are the same binary,
// so there is no version; a frame that does not parse ends the worker. What a value has as bytes, and it alone, is
// decoded: a number, a flag, a kind beyond its bounds and a byte too many are malformed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "handoff/worker/task.hpp"

namespace devbindd::handoff {

constexpr std::size_t max_frame_bytes = 16U << 20U;

/// A frame: four bytes of length (little endian), then the payload.
std::string encode(const Task& task);
std::string encode(const TaskResult& result);

/// The size of the whole frame that begins `bytes`, or nullopt while even the length is incomplete.
std::optional<std::size_t> frame_size(std::string_view bytes);
/// Of a complete frame. nullopt: malformed.
std::optional<Task> decode_task(std::string_view frame);
/// Of a complete frame that answers `asked`. nullopt: malformed, or the answer to another kind of task.
std::optional<TaskResult> decode_result(std::string_view frame, const TaskWork& asked);

}  // namespace devbindd::handoff
