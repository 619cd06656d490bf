// SPDX-License-Identifier: Apache-2.0
// What the kernel's messages about links, addresses and routes name.
#include "sysfs/kernel/network_watch.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  sysfs::NetworkNews news;
  sysfs::add_network_news({text.data(), text.size()}, news);
  fuzz::must(news.changed || news.interfaces.empty());
  fuzz::must(news.interfaces.size() <= text.size() / 4 && !news.lost);
  return 0;
}
