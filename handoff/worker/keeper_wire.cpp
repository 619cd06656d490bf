// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/keeper_wire.hpp"

#include <algorithm>
#include <utility>

#include "handoff/worker/wire_codec.hpp"

namespace devbindd::handoff {
namespace {

template <class Value>
std::string packet_of(const Value& value) {
  wire::Writer writer;
  writer.put(value);
  return writer.frame();
}

bool is_printable(std::string_view text) {
  return !text.empty() && text.size() <= max_subject &&
         std::ranges::all_of(text, [](char letter) { return letter >= ' ' && letter <= '~'; });
}

// It becomes a part of a file's name.
bool is_claim_id(std::string_view text) {
  return !text.empty() && text.size() <= max_subject && std::ranges::all_of(text, [](char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') || letter == '-';
  });
}

bool is_sound(const KeeperRequest& request) {
  if (const auto* permit = std::get_if<Permit>(&request))
    return is_printable(permit->subject) && permit->devices.size() + permit->ids.size() <= max_permitted;
  if (const auto* file = std::get_if<PutCdiFile>(&request)) return is_claim_id(file->claim);
  if (const auto* kept = std::get_if<KeepCdiFiles>(&request)) return std::ranges::all_of(kept->claims, is_claim_id);
  if (const auto* ended = std::get_if<EndWorker>(&request)) return ended->pid > 0;
  return true;
}

}  // namespace

std::string encode(const Greeting& greeting) { return packet_of(greeting); }
std::string encode(const KeeperRequest& request) { return packet_of(request); }
std::string encode(const KeeperAnswer& answer) { return packet_of(answer); }

std::optional<Greeting> decode_greeting(std::string_view packet) { return wire::payload_of(packet, Greeting()); }

std::optional<KeeperRequest> decode_keeper_request(std::string_view packet) {
  auto request = wire::payload_of(packet, KeeperRequest());
  if (!request || !is_sound(*request)) return std::nullopt;
  return request;
}

std::optional<KeeperAnswer> decode_keeper_answer(std::string_view packet) {
  return wire::payload_of(packet, KeeperAnswer());
}

}  // namespace devbindd::handoff
