// SPDX-License-Identifier: Apache-2.0
// What somebody who made a typing error probably meant.
#include "api/http/nearest_word.hpp"

#include "tests/catch2.hpp"

namespace devbindd::nearest_word_test {

using devbindd::api::hint;
using devbindd::api::nearest_word;

namespace {

const std::vector<std::string_view> keys = {"driver", "scope", "method", "accept_risks", "expect"};

}  // namespace

TEST_CASE("A typing error is told what was probably meant") {
  for (const auto* word : {"drivr", "drvier", "driverr", "Driver", "frivers"})
    CHECK(nearest_word(word, keys) == "driver");
  CHECK(nearest_word("accept-risk", keys) == "accept_risks");
  CHECK(nearest_word("scpoe", keys) == "scope");
}

TEST_CASE("Another word is no typing error") {
  for (const auto* word : {"", "x", "force", "drv", "device", "expectation", "scheme"})
    CHECK(nearest_word(word, keys).empty());
  const std::string long_word(65, 'a');
  CHECK(nearest_word(long_word, {long_word}).empty());
  CHECK(nearest_word("driver", {}).empty());
}

TEST_CASE("Where nothing is near, a short list is told and a long one is not") {
  CHECK(hint("drivr", keys) == ". Did you mean \"driver\"?");
  CHECK(hint("force", std::vector<std::string>{"scope", "driver", "scope"}) == ". Possible here: driver, scope");
  CHECK(hint("force", std::vector<std::string>{}).empty());
  CHECK(hint("xyz",
             std::vector<std::string>{"aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii", "jj", "kk", "ll", "mm"})
            .empty());
}

}  // namespace devbindd::nearest_word_test
