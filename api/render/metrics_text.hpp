// SPDX-License-Identifier: Apache-2.0
// Metrics as text, in the exposition format 0.0.4 of Prometheus. A library for it (prometheus-cpp) keeps a registry
// with a lock in which each value is stored a second time; here the values stay beside what they count, and are read
// when somebody asks. Not here: which metrics there are (metrics.cpp).
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "handoff/model/durations.hpp"

namespace devbindd::api {

enum class MetricType { Counter, Gauge, Histogram };

class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// Begins a family: the samples that follow are its own. `name` with the prefix and the unit; `help`: one sentence.
  void family(std::string_view name, MetricType type, std::string_view help);

  /// A sample of the family. The value of a label may be any text.
  template <std::integral Number>
  void add(Labels labels, Number value) {
    add_line("", labels, std::to_string(value));
  }
  void add(Labels labels, double value);
  /// All lines of a histogram, which is the family's type.
  void add(Labels labels, const handoff::Durations& durations);

  const std::string& text() const { return text_; }

 private:
  void add_line(std::string_view suffix, Labels labels, std::string_view value, std::string_view bound = {});
  void add_label(std::string_view name, std::string_view value, bool& first);

  std::string text_;
  std::string family_;
};

}  // namespace devbindd::api
