// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <utility>

#include "api/handlers/handlers.hpp"
#include "api/http/media_ranges.hpp"
#include "api/http/parameters.hpp"
#include "api/render/render_event.hpp"
#include "api/requests/event_filter.hpp"

namespace devbindd::api {
namespace {

constexpr std::size_t piece_bytes = 64U << 10U;
constexpr std::chrono::seconds heartbeat_time{15};  // proxies and clients give up silent connections after 30 to 60 s

enum class Format { ServerSentEvents, Lines };

/// One follower: where he is, and what he is to hear of.
class Follower final : public AnswerStream, public std::enable_shared_from_this<Follower> {
 public:
  Follower(Context& context, EventFilter filter, Format format, std::optional<std::uint64_t> from,
           std::shared_ptr<const EventFeed::Place> place)
      : context_(context),
        filter_(std::move(filter)),
        format_(format),
        at_(from.value_or(context.events.newest())),
        fell_behind_(!from),
        place_(std::move(place)) {
    if (format_ == Format::ServerSentEvents) greeting_ = "retry: 2000\nid: " + context_.events.id_of(at_) + "\n\n";
  }

  std::string next() override {
    auto piece = std::exchange(greeting_, {});
    auto& feed = context_.events;
    if (fell_behind_ || !feed.reaches_back_to(at_)) {
      fell_behind_ = false;
      at_ = feed.newest();
      const auto id = feed.id_of(at_);
      append(piece, id, "resync", render_event({.kind = handoff::EventKind::Missed}, id));
    }
    for (const auto* entry = feed.after(at_); entry != nullptr && piece.size() < piece_bytes; entry = feed.after(at_)) {
      at_ = entry->number;
      if (wants(filter_, entry->event))
        append(piece, feed.id_of(at_), handoff::name_of(entry->event.kind), entry->document);
    }
    if (piece.empty() && std::exchange(beat_, false)) piece = format_ == Format::Lines ? "\n" : ":\n\n";
    return piece;
  }

  // What is filtered out wakes him too, and he waits on.
  void when_ready(std::function<void()> ready) override {
    ready_ = std::move(ready);
    waiting_ = context_.events.when_more([this] { call(); });
    const auto round = ++round_;
    context_.after(heartbeat_time, [weak = weak_from_this(), round] {
      const auto self = weak.lock();
      if (!self || self->round_ != round) return;
      self->beat_ = true;
      self->call();
    });
  }

 private:
  void call() {
    waiting_.reset();
    if (auto ready = std::exchange(ready_, {})) ready();
  }

  void append(std::string& piece, const std::string& id, std::string_view kind, const std::string& document) const {
    if (format_ == Format::Lines) {
      piece += document + "\n";
      return;
    }
    piece += "id: " + id + "\nevent: ";
    piece += kind;
    piece += "\ndata: " + document + "\n\n";
  }

  Context& context_;
  EventFilter filter_;
  Format format_;
  std::uint64_t at_;  ///< the last event that he has been told, or that was not for him
  bool fell_behind_;
  std::shared_ptr<const EventFeed::Place> place_;
  std::string greeting_;
  bool beat_ = false;
  std::uint64_t round_ = 0;
  std::function<void()> ready_;
  EventFeed::Waiting waiting_;
};

Format format_of(const Request& request) {
  static const std::vector<Representation> formats = {{"text", "event-stream"}, {"application", "x-ndjson"}};
  return preferred(request.accept, formats) == 0 ? Format::ServerSentEvents : Format::Lines;
}

}  // namespace

void get_events(Context& context, const Request& request, const PathArguments&, Respond respond) {
  Mistakes mistakes;
  QueryReader query(request.query, mistakes);
  auto filter = read_event_filter(query);
  const auto since = read_since(query);
  query.finish();
  if (!mistakes.none()) return respond(to_response(request, mistakes));
  auto place = context.events.enter(request.requester.uid, may_change(request.grant));
  if (!place) {
    auto refusal =
        problem(request, 503, "too_busy", "as many follow the events already as may: close a stream, or wait");
    refusal.headers.emplace_back("Retry-After", "5");
    return respond(std::move(refusal));
  }
  // A browser that connects again sends the id of the last event that it has seen, with the query of the first time.
  const auto last_seen = request.last_event_id.empty() ? since : request.last_event_id;
  const auto from = last_seen.empty() ? context.events.newest() : context.events.number_of(last_seen);
  const auto format = format_of(request);
  Response answer{.status = 200,
                  .content_type = format == Format::Lines ? "application/x-ndjson" : "text/event-stream",
                  .body = {},
                  .headers = {{"Last-Event-Id", context.events.id_of(from.value_or(context.events.newest()))}}};
  answer.stream = std::make_shared<Follower>(context, std::move(filter), format, from, std::move(place));
  respond(std::move(answer));
}

}  // namespace devbindd::api
