// SPDX-License-Identifier: Apache-2.0
#include "api/http/answer_fields.hpp"

#include <array>

namespace devbindd::api {

std::string http_date(std::time_t moment) {
  std::tm parts{};
  ::gmtime_r(&moment, &parts);
  std::array<char, 64> text{};
  const auto length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), length};
}

std::vector<std::pair<std::string, std::string>> answer_fields(const Response& answer, const std::string& request_id,
                                                               std::time_t now) {
  std::vector<std::pair<std::string, std::string>> fields = {{"Server", "devbindd"}, {"Date", http_date(now)}};
  if (!answer.content_type.empty()) fields.emplace_back("Content-Type", answer.content_type);  // 304 has none
  fields.insert(fields.end(), {{"Cache-Control", "no-store"},
                               {"X-Content-Type-Options", "nosniff"},
                               {"Api-Version", "1"},
                               {"Request-Id", request_id}});
  fields.insert(fields.end(), answer.headers.begin(), answer.headers.end());
  return fields;
}

}  // namespace devbindd::api
