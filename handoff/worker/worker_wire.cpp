// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_wire.hpp"

#include <cstdint>

namespace devbindd::handoff {
namespace {

constexpr std::size_t word = 4;

void put_number(std::string& bytes, std::uint32_t number) {
  for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>((number >> shift) & 0xffU));
}

void put_text(std::string& bytes, std::string_view text) {
  put_number(bytes, static_cast<std::uint32_t>(text.size()));
  bytes += text;
}

void put_list(std::string& bytes, const std::vector<std::string>& texts) {
  put_number(bytes, static_cast<std::uint32_t>(texts.size()));
  for (const auto& text : texts) put_text(bytes, text);
}

std::string framed(const std::string& payload) {
  std::string frame;
  put_number(frame, static_cast<std::uint32_t>(payload.size()));
  return frame + payload;
}

// Reads fields off the front; once something does not fit it stays bad.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::uint32_t number() {
    if (bytes_.size() < word) return bad();
    std::uint32_t value = 0;
    for (std::size_t at = 0; at < word; ++at)
      value |= std::uint32_t{static_cast<unsigned char>(bytes_[at])} << (8 * at);
    bytes_.remove_prefix(word);
    return value;
  }
  std::string text() {
    const auto size = number();
    if (bytes_.size() < size) {
      bad();
      return {};
    }
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  std::vector<std::string> list() {
    std::vector<std::string> texts;
    const auto count = number();
    for (std::uint32_t at = 0; at < count && good_; ++at) texts.push_back(text());
    return texts;
  }
  bool complete() const { return good_ && bytes_.empty(); }

 private:
  std::uint32_t bad() {
    good_ = false;
    bytes_ = {};
    return 0;
  }
  std::string_view bytes_;
  bool good_ = true;
};

}  // namespace

std::string encode(const Task& task) {
  std::string payload;
  put_number(payload, static_cast<std::uint32_t>(task.kind));
  put_list(payload, task.arguments);
  return framed(payload);
}

std::string encode(const TaskResult& result) {
  std::string payload;
  put_number(payload, result ? 1 : 0);
  if (result) {
    put_list(payload, *result);
    return framed(payload);
  }
  put_number(payload, static_cast<std::uint32_t>(result.error().code));
  put_number(payload, static_cast<std::uint32_t>(result.error().errno_value));
  put_text(payload, result.error().message);
  put_text(payload, result.error().path);
  return framed(payload);
}

std::optional<std::size_t> frame_size(std::string_view bytes) {
  if (bytes.size() < word) return std::nullopt;
  return word + Reader(bytes).number();
}

std::optional<Task> decode_task(std::string_view frame) {
  if (frame.size() < word) return std::nullopt;
  Reader reader(frame.substr(word));
  const auto kind = reader.number();
  if (kind > static_cast<std::uint32_t>(last_task_kind)) return std::nullopt;
  Task task{static_cast<TaskKind>(kind), reader.list()};
  if (!reader.complete()) return std::nullopt;
  return task;
}

std::optional<TaskResult> decode_result(std::string_view frame) {
  if (frame.size() < word) return std::nullopt;
  Reader reader(frame.substr(word));
  if (reader.number() == 1) {
    TaskResult result(reader.list());
    if (!reader.complete()) return std::nullopt;
    return result;
  }
  sysfs::Error error;
  const auto code = reader.number();
  if (code > static_cast<std::uint32_t>(sysfs::ErrorCode::Kernel)) return std::nullopt;
  error.code = static_cast<sysfs::ErrorCode>(code);
  error.errno_value = static_cast<int>(reader.number());
  error.message = reader.text();
  error.path = reader.text();
  if (!reader.complete()) return std::nullopt;
  return TaskResult(std::unexpected(std::move(error)));
}

}  // namespace devbindd::handoff
