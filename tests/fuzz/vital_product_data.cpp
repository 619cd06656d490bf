// SPDX-License-Identifier: Apache-2.0
// Vital product data: a card may hold anything.
#include "sysfs/device/vital_product_data.hpp"

#include <algorithm>

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

namespace {

bool printable(const std::string& text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const auto found = parse_vital_product_data({bytes, size});
  must(!found.name || (printable(*found.name) && found.name->size() <= 4 * size && !found.name->ends_with(' ')));
  must(found.fields.size() * 3 <= size);
  for (const auto& [keyword, value] : found.fields) {
    must(printable(keyword) && keyword.size() <= 8 && keyword != "RV");
    must(printable(value) && value.size() <= std::size_t{4} * 255 && !value.ends_with(' '));
    (void)vital_product_keyword(keyword);
  }
  for (const auto& problem : found.problems) must(printable(problem));
  must(found.problems.size() <= size / 3 + 1);
  return 0;
}
