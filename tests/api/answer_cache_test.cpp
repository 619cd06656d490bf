// SPDX-License-Identifier: Apache-2.0
// Answers that are kept: as long as nothing has changed, and no more of them than there is room for.
#include "api/context/answer_cache.hpp"

#include "tests/catch2.hpp"

namespace devbindd::answer_cache_test {

using namespace devbindd::api;

namespace {

AnswerCache::Answer answer(std::string body) {
  return {"application/json", std::make_shared<const std::string>(std::move(body)), "\"tag\""};
}

}  // namespace

TEST_CASE("An answer is found for what was asked, in its version alone", "[answer_cache]") {
  AnswerCache cache;
  cache.keep("json", {1, 2}, answer("a"));
  cache.keep("text", {1, 2}, answer("b"));
  REQUIRE(cache.find("json", {1, 2}) != nullptr);
  CHECK(*cache.find("json", {1, 2})->body == "a");
  CHECK(*cache.find("text", {1, 2})->body == "b");
  CHECK(cache.find("json\nvendor=8086", {1, 2}) == nullptr);
  CHECK(cache.find("json", {1, 3}) == nullptr);
  CHECK(cache.find("json", {1, 2}) == nullptr);  // it is not found again when the counters come back
}

TEST_CASE("There is room for so many answers, and for so many bytes", "[answer_cache]") {
  AnswerCache cache;
  for (std::size_t count = 0; count < AnswerCache::max_answers; ++count)
    cache.keep(std::to_string(count), {1}, answer("a"));
  CHECK(cache.find("0", {1}) != nullptr);
  cache.keep("one more", {1}, answer("a"));
  CHECK(cache.find("0", {1}) == nullptr);
  CHECK(cache.find("one more", {1}) != nullptr);
  cache.keep("large", {1}, answer(std::string(AnswerCache::max_bytes / 2 + 1, 'x')));
  CHECK(cache.find("large", {1}) == nullptr);
  CHECK(cache.find("one more", {1}) != nullptr);
}

TEST_CASE("An item is found while all that it is made of is the same", "[answer_cache]") {
  const sysfs::PciAddress card{0, 5, 0, 0};
  ItemCache cache;
  const ItemState state{.revision = 3, .network = 1, .claim = "c"};
  CHECK(cache.find(card, state) == nullptr);
  CHECK(cache.keep(card, state, "{}") == "{}");
  REQUIRE(cache.find(card, state) != nullptr);
  auto changed = state;
  const auto change = GENERATE(0, 1, 2, 3, 4, 5, 6, 7, 8);
  switch (change) {
    case 0: ++changed.revision; break;
    case 1: ++changed.network; break;
    case 2: ++changed.nodes; break;
    case 3: ++changed.drivers; break;
    case 4: ++changed.half_minute; break;
    case 5: changed.claim.clear(); break;
    case 6: changed.operation = "o"; break;
    case 7: ++changed.cordons; break;
    default: changed.left_with.emplace(std::nullopt); break;
  }
  CHECK(cache.find(card, changed) == nullptr);
  CHECK(cache.find(card, state) != nullptr);
  cache.forget(card);
  CHECK(cache.find(card, state) == nullptr);
}

}  // namespace devbindd::answer_cache_test
