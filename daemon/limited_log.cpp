// SPDX-License-Identifier: Apache-2.0
#include "daemon/limited_log.hpp"

#include <spdlog/spdlog.h>

namespace devbindd::daemon {
namespace {

spdlog::level::level_enum level_of(const api::AccessRecord& record) {
  if (record.status >= 500) return spdlog::level::err;
  if (record.status >= 400) return spdlog::level::warn;
  return record.method == "GET" || record.method == "HEAD" ? spdlog::level::debug : spdlog::level::info;
}

}  // namespace

void LimitedLog::write(const api::AccessRecord& record) {
  const auto user = record.caller.substr(0, record.caller.find(" pid "));
  write(level_of(record), user + " status " + std::to_string(record.status),
        record.caller + " " + record.method + " " + record.target + " status=" + std::to_string(record.status) +
            " us=" + std::to_string(record.duration.count()) + " request=" + record.request_id +
            (record.traceparent.empty() ? "" : " traceparent=" + record.traceparent));
}

bool LimitedLog::admit(const std::string& kind) {
  const bool admitted = limit_.take(kind, LineLimit::Clock::now());
  if (!admitted) tell_later();
  return admitted;
}

void LimitedLog::write(spdlog::level::level_enum level, const std::string& kind, const std::string& line) {
  if (!spdlog::should_log(level)) return;
  if (admit(kind)) spdlog::log(level, "{}", line);
}

void LimitedLog::tell_later() {
  if (std::exchange(waits_, true)) return;
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](boost::system::error_code stopped) {
    if (stopped) return;
    waits_ = false;
    for (const auto& [kind, lines] : limit_.over(LineLimit::Clock::now()))
      spdlog::warn("{} similar lines were left out: {}", lines, kind);
    if (limit_.has_left_out()) tell_later();
  });
}

}  // namespace devbindd::daemon
