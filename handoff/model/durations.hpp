// SPDX-License-Identifier: Apache-2.0
// How often something happened and how long it took, as a histogram: for what is counted while the daemon runs and is
// not kept. Not here: how it is shown (api/render/metrics_text.hpp).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace devbindd::handoff {

class Durations {
 public:
  /// The upper bounds of the buckets in seconds: from an answer from memory to a reset that takes minutes.
  static constexpr std::array<double, 9> bounds{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600};

  void add(std::chrono::duration<double> duration) {
    const auto seconds = duration.count() > 0 ? duration.count() : 0;  // a clock may be set back meanwhile
    std::size_t at = 0;
    while (at < bounds.size() && seconds > bounds[at]) ++at;
    ++counts_[at];
    seconds_ += seconds;
  }

  /// How many took as long as the bound of this index, or less; index bounds.size(): all.
  std::uint64_t up_to(std::size_t index) const {
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at <= index; ++at) sum += counts_[at];
    return sum;
  }
  std::uint64_t count() const { return up_to(bounds.size()); }
  /// Of all together.
  double seconds() const { return seconds_; }

 private:
  std::array<std::uint64_t, bounds.size() + 1> counts_{};  ///< the last one: longer than every bound
  double seconds_ = 0;
};

}  // namespace devbindd::handoff
