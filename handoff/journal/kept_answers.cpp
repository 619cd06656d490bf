// SPDX-License-Identifier: Apache-2.0
#include "handoff/journal/kept_answers.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "handoff/journal/json.hpp"
#include "handoff/journal/operation_document.hpp"

namespace devbindd::handoff {
namespace {

using nlohmann::json;

std::string name_of(std::optional<unsigned> user, const std::string& key) {
  return (user ? std::to_string(*user) : std::string("tcp")) + " " + key;
}

std::string document_of(const KeptAnswer& answer) {
  return dump(json{{"request", answer.request},
                   {"at", rfc3339(answer.at)},
                   {"status", answer.status},
                   {"content_type", answer.content_type},
                   {"body", answer.body},
                   {"operation", answer.operation}});
}

// A document that this version does not understand is no answer.
std::optional<KeptAnswer> answer_from(const json& document) {
  if (!document.is_object()) return std::nullopt;
  KeptAnswer answer;
  for (const auto& [name, text] :
       {std::pair("request", &answer.request), std::pair("content_type", &answer.content_type),
        std::pair("body", &answer.body), std::pair("operation", &answer.operation)}) {
    if (!document.contains(name) || !document[name].is_string()) return std::nullopt;
    *text = document[name].get<std::string>();
  }
  const auto at = document.contains("at") && document["at"].is_string() ? time_from(document["at"].get<std::string>())
                                                                        : std::optional<TimePoint>{};
  if (!at || !document.contains("status") || !document["status"].is_number_unsigned()) return std::nullopt;
  answer.at = *at;
  answer.status = document["status"].get<int>();
  return answer;
}

}  // namespace

KeptAnswers::KeptAnswers(Journal& journal, const std::function<void(DamagedRow)>& set_aside) : journal_(journal) {
  for (const auto& row : journal.remembered().answers) {
    auto answer = answer_from(json::parse(row.document, nullptr, false));
    if (!answer) {
      set_aside({.table = "answers", .key = row.id, .reason = "it is no document of an answer"});
      continue;
    }
    bytes_ += answer->body.size();
    order_.push_back(row.id);
    answers_.insert_or_assign(row.id, std::move(*answer));
  }
}

const KeptAnswer* KeptAnswers::find(std::optional<unsigned> user, const std::string& key) const {
  const auto found = answers_.find(name_of(user, key));
  if (found == answers_.end()) return nullptr;
  const auto age = std::chrono::system_clock::now() - found->second.at;
  return age < lasts ? &found->second : nullptr;
}

void KeptAnswers::keep(std::optional<unsigned> user, const std::string& key, KeptAnswer answer,
                       std::function<void(sysfs::Result<>)> done) {
  const auto name = name_of(user, key);
  forget(user, key);
  bytes_ += answer.body.size();
  auto document = document_of(answer);
  answers_.emplace(name, std::move(answer));
  order_.push_back(name);
  drop_oldest();
  journal_.store(AnswerRow{name, std::move(document)}, std::move(done));
}

void KeptAnswers::forget(std::optional<unsigned> user, const std::string& key) {
  const auto found = answers_.find(name_of(user, key));
  if (found == answers_.end()) return;
  bytes_ -= found->second.body.size();
  std::erase(order_, found->first);
  answers_.erase(found);
}

void KeptAnswers::drop_oldest() {
  while (order_.size() > 1 && (order_.size() > most || bytes_ > most_bytes)) {
    const auto found = answers_.find(order_.front());
    bytes_ -= found->second.body.size();
    answers_.erase(found);
    order_.pop_front();
  }
}

}  // namespace devbindd::handoff
