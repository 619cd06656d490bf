// SPDX-License-Identifier: Apache-2.0
// The only translation unit of the clients with Beast, whose parser alone is used.
#include "clients/http/exchange.hpp"

#include <strings.h>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace devbindd::clients {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr std::uint32_t most_header_bytes = 64 * 1024;

std::string bytes_of(const Request& request) {
  std::string bytes = request.method + " " + request.target + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [name, value] : request.fields) bytes += name + ": " + value + "\r\n";
  if (!request.body.empty() || request.method == "PUT" || request.method == "POST")
    bytes += "Content-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  return bytes + "\r\n" + request.body;
}

Answer answer_of(Parser& parser) {
  auto& message = parser.get();
  Answer answer{.status = message.result_int(), .fields = {}, .body = std::move(message.body()), .descriptors = {}};
  for (const auto& field : message)
    answer.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
  return answer;
}

}  // namespace

std::string Answer::field(const std::string& name) const {
  for (const auto& [field_name, value] : fields)
    if (::strcasecmp(field_name.c_str(), name.c_str()) == 0) return value;
  return {};
}

Result<Answer> Exchange::ask(const Request& request, std::chrono::milliseconds patience) {
  return follow(request, patience, {});
}

Result<Answer> Exchange::follow(const Request& request, std::chrono::milliseconds patience, const Take& take) {
  const bool was_open = stream_.has_value();
  auto answer = once(request, patience, take);
  const bool again = !answer && was_open && closed_early_ && request.method == "GET";
  return again ? once(request, patience, take) : std::move(answer);
}

Result<Answer> Exchange::once(const Request& request, std::chrono::milliseconds patience, const Take& take) {
  if (!stream_) {
    auto connected = UnixStream::connect(path_);
    if (!connected) return std::unexpected(connected.error());
    stream_.emplace(std::move(*connected));
    unread_.clear();
  }
  closed_early_ = false;
  const auto sent = stream_->send(bytes_of(request));
  closed_early_ = !sent;
  auto answer = sent ? read_answer(patience, take) : std::unexpected(sent.error());
  if (!answer || ::strcasecmp(answer->field("Connection").c_str(), "close") == 0) stream_.reset();
  return answer;
}

Result<Answer> Exchange::read_answer(std::chrono::milliseconds patience, const Take& take) {
  Parser parser;
  parser.eager(true);
  parser.header_limit(most_header_bytes);
  parser.body_limit(boost::none);
  while (!parser.is_done()) {
    auto more = stream_->receive(unread_, patience);
    if (!more) return std::unexpected(more.error());
    boost::system::error_code error;
    if (*more) {
      unread_.erase(0, parser.put(boost::asio::buffer(unread_), error));
    } else {
      closed_early_ = !parser.got_some();
      if (closed_early_) return fail("devbindd closed the connection without an answer.");
      parser.put_eof(error);
    }
    if (error && error != http::error::need_more) return fail("This is no answer of devbindd: " + error.message());
    if (!*more && !parser.is_done()) return fail("The answer of devbindd ended too early.");
    if (take && parser.is_header_done() && parser.get().result_int() == 200) {
      const bool go_on = take(parser.get().body());
      parser.get().body().clear();
      if (!go_on) break;
    }
  }
  auto answer = answer_of(parser);
  answer.descriptors = stream_->take_descriptors();
  return answer;
}

}  // namespace devbindd::clients
