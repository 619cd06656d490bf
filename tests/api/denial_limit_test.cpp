// SPDX-License-Identifier: Apache-2.0
// How many denials the audit gets a line for.
#include "api/context/denial_limit.hpp"
#include "tests/catch2.hpp"

namespace devbindd::denial_limit_test {

using devbindd::api::DenialLimit;
using std::chrono::seconds;

TEST_CASE("one user has ten lines in a minute, and the next one tells of the others", "[api][denials]") {
  DenialLimit limit;
  const DenialLimit::Time start{seconds(1000)};
  for (std::size_t at = 0; at < DenialLimit::most_each; ++at) CHECK(limit.take("uid 1", start) == 0U);
  CHECK_FALSE(limit.take("uid 1", start));
  CHECK_FALSE(limit.take("uid 1", start + seconds(59)));
  CHECK(limit.take("uid 2", start + seconds(59)) == 0U);
  CHECK(limit.take("uid 1", start + seconds(60)) == 2U);
  CHECK(limit.take("uid 1", start + seconds(60)) == 0U);
}

TEST_CASE("many users share what is left, and those who are quiet are forgotten", "[api][denials]") {
  DenialLimit limit;
  const DenialLimit::Time start{seconds(1000)};
  for (std::size_t at = 0; at < DenialLimit::most_users; ++at) CHECK(limit.take("uid " + std::to_string(at), start));
  std::size_t lines = 0;
  for (std::size_t at = 0; at < 1000; ++at) lines += limit.take("other " + std::to_string(at), start).has_value();
  CHECK(lines == DenialLimit::most_each);
  CHECK(limit.take("another", start + seconds(60)) == 0U);
}

}  // namespace devbindd::denial_limit_test
