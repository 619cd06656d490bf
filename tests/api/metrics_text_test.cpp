// SPDX-License-Identifier: Apache-2.0
// The text that Prometheus reads: families, labels, numbers, histograms.
#include "api/render/metrics_text.hpp"

#include <cmath>

#include "tests/catch2.hpp"

namespace devbindd::metrics_text_test {

using namespace devbindd::api;
using handoff::Durations;

TEST_CASE("A family names its help and its type before its samples", "[metrics]") {
  MetricsText text;
  text.family("a_total", MetricType::Counter, "Of a.");
  text.add({}, std::size_t{7});
  text.family("b", MetricType::Gauge, "Of b.");
  text.add({{"x", "1"}, {"y", "2"}}, -3);
  CHECK(text.text() ==
        "# HELP a_total Of a.\n# TYPE a_total counter\na_total 7\n"
        "# HELP b Of b.\n# TYPE b gauge\nb{x=\"1\",y=\"2\"} -3\n");
}

TEST_CASE("The value of a label may be any text and stays on its line", "[metrics]") {
  MetricsText text;
  text.family("a", MetricType::Gauge, "A.");
  text.add({{"x", "q\"b\\n\nend"}}, 1);
  CHECK(text.text().ends_with("a{x=\"q\\\"b\\\\n\\nend\"} 1\n"));
}

TEST_CASE("A number keeps its digits", "[metrics]") {
  MetricsText text;
  text.family("a", MetricType::Gauge, "A.");
  text.add({}, 0.1);
  text.add({}, 1796092800.25);
  text.add({}, std::uint64_t{18446744073709551615U});
  CHECK(text.text().ends_with("a 0.1\na 1796092800.25\na 18446744073709551615\n"));
}

TEST_CASE("The buckets of a histogram add up", "[metrics]") {
  Durations durations;
  for (const auto milliseconds : {1, 2, 30, 700'000}) durations.add(std::chrono::milliseconds(milliseconds));
  durations.add(std::chrono::milliseconds(-5));  // a clock was set back
  CHECK(durations.count() == 5);
  CHECK(durations.up_to(0) == 2);  // a duration that is a bound belongs to it
  CHECK(std::abs(durations.seconds() - 700.033) < 1e-9);
  MetricsText text;
  text.family("t_seconds", MetricType::Histogram, "T.");
  text.add({{"kind", "bind"}}, durations);
  const std::string expected =
      "t_seconds_bucket{kind=\"bind\",le=\"0.001\"} 2\n"
      "t_seconds_bucket{kind=\"bind\",le=\"0.005\"} 3\n"
      "t_seconds_bucket{kind=\"bind\",le=\"0.025\"} 3\n"
      "t_seconds_bucket{kind=\"bind\",le=\"0.1\"} 4\n";
  CHECK(text.text().find(expected) != std::string::npos);
  CHECK(text.text().find("le=\"600\"} 4\nt_seconds_bucket{kind=\"bind\",le=\"+Inf\"} 5\n") != std::string::npos);
  CHECK(text.text().ends_with("t_seconds_count{kind=\"bind\"} 5\n"));
}

}  // namespace devbindd::metrics_text_test
