// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/conditional.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "api/http/entity_tag.hpp"
#include "api/http/preferences.hpp"
#include "api/http/problem.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::api {
namespace {

using Clock = std::chrono::steady_clock;

// Events come in bursts; and what has no event is looked at now and then.
constexpr std::chrono::milliseconds between_looks{50};
constexpr std::chrono::milliseconds longest_between_looks{2000};

std::string tag_of(const Response& response) {
  for (const auto& [name, value] : response.headers) {
    if (name == "ETag") return value;
  }
  return response.shared_body ? entity_tag(*response.shared_body) : entity_tag(response.body);
}

bool has_version(const Response& response) {
  return response.status == 200 && !response.stream && !response.descriptors;
}

Response not_modified(const std::string& tag) {
  return {.status = 304, .content_type = {}, .body = {}, .headers = {{"ETag", tag}, {"Vary", "Accept"}}};
}

/// A client that waits for another version than the one that it has.
class Waiting : public std::enable_shared_from_this<Waiting> {
 public:
  Waiting(Context& context, const Request& request, Respond respond, Perform perform, const Preferences& preferences)
      : context_(context),
        request_(request),
        respond_(std::move(respond)),
        perform_(std::move(perform)),
        applied_(preferences.wait ? applied_text(preferences) : std::string{}),
        until_(Clock::now() + preferences.wait.value_or(std::chrono::seconds(0))) {}

  void look() {
    looked_at_ = Clock::now();
    perform_(request_, [self = shared_from_this()](Response response) { self->take(std::move(response)); });
  }

 private:
  void take(Response response) {
    if (!has_version(response)) return respond_(std::move(response));
    const auto tag = tag_of(response);
    const bool known = !request_.if_none_match.empty() && names_tag(request_.if_none_match, tag, true);
    if (known && Clock::now() < until_) return wait();
    auto answer = known ? not_modified(tag) : std::move(response);
    if (!known &&
        std::ranges::find(answer.headers, std::pair<std::string, std::string>("ETag", tag)) == answer.headers.end()) {
      answer.headers.emplace_back("ETag", tag);
      answer.headers.emplace_back("Vary", "Accept");
    }
    if (!applied_.empty()) answer.headers.emplace_back("Preference-Applied", applied_);
    respond_(std::move(answer));
  }

  void wait() {
    if (request_.client_left && (*request_.client_left)()) return respond_(not_modified("\"\""));  // nobody reads it
    more_ = context_.events.when_more([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->look_after(between_looks - (Clock::now() - self->looked_at_));
    });
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until_ - Clock::now());
    look_after(std::clamp(left, std::chrono::milliseconds(1), longest_between_looks));
  }

  // Whichever of the times comes first; what was meant for an earlier look does nothing.
  void look_after(Clock::duration delay) {
    const auto milliseconds =
        std::max(std::chrono::ceil<std::chrono::milliseconds>(delay), std::chrono::milliseconds(0));
    context_.after(milliseconds, [self = shared_from_this(), round = round_] {
      if (self->round_ != round) return;
      ++self->round_;
      self->more_.reset();
      self->look();
    });
  }

  Context& context_;
  Request request_;
  Respond respond_;
  Perform perform_;
  std::string applied_;
  Clock::time_point until_;
  Clock::time_point looked_at_ = {};
  std::uint64_t round_ = 0;
  EventFeed::Waiting more_;
};

Response precondition_failed(const Request& request, const std::string& tag) {
  auto response = problem(request, 412, "precondition_failed",
                          "it has changed since the version that If-Match names: read it again, and decide anew");
  if (!tag.empty()) response.headers.emplace_back("ETag", tag);
  return response;
}

}  // namespace

void answer_version(Context& context, const Request& request, Respond respond, const Perform& perform) {
  const auto preferences = request.if_none_match.empty() ? Preferences{} : preferences_from(request.prefer);
  std::make_shared<Waiting>(context, request, std::move(respond), perform, preferences)->look();
}

void change_version(Context& context, const Request& request, Respond respond, const Perform& look,
                    const Perform& change) {
  if (!is_tag_list(request.if_match))
    return respond(bad_request(request, "invalid_value", "If-Match:", "it names entity tags, each in quotes, or is *"));
  if (!look)
    return respond(bad_request(request, "invalid_value", "If-Match:",
                               "nothing can be read at this path that would have a version; \"expect\" in the body "
                               "names what a device must be"));
  Request reading = request;
  reading.method = "GET";
  reading.query.clear();
  reading.accept = "application/json";
  auto changing = std::make_shared<Request>(request);
  changing->body = Body(std::string(std::string_view(request.body)));
  for (const auto& segment : request.path) {
    if (const auto address = sysfs::parse_pci_address(segment))
      changing->unless_changed_since = context.engine.change_mark(*address);
  }
  look(reading, [request, changing, change, respond = std::move(respond)](const Response& found) {
    const auto tag = has_version(found) ? tag_of(found) : std::string{};
    if (tag.empty() || !names_tag(request.if_match, tag, false)) return respond(precondition_failed(request, tag));
    change(*changing, respond);
  });
}

}  // namespace devbindd::api
