// SPDX-License-Identifier: Apache-2.0
// What a terminal gets of texts that others wrote.
#include "api/http/plain_text.hpp"

#include "tests/catch2.hpp"

namespace devbindd::plain_text_test {

namespace {

using devbindd::api::bytes_of;
using devbindd::api::characters_of;
using devbindd::api::one_line;
using devbindd::api::several_lines;

const std::string bad = "\xef\xbf\xbd";

}  // namespace

TEST_CASE("UTF-8 stays as it is", "[api][text]") {
  for (const std::string text : {"", "plain ~", "\xc2\xa0", "Caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x96\xa7",
                                 "\xf4\x8f\xbf\xbf", "\xee\x80\x80"})
    CHECK(one_line(text) == text);
}

TEST_CASE("Each byte that is no UTF-8 is replaced", "[api][text]") {
  CHECK(one_line("Caf\xe9 x") == "Caf" + bad + " x");
  CHECK(one_line("\x80") == bad);
  CHECK(one_line("\xc3") == bad);                                // cut off
  CHECK(one_line("\xc0\xaf") == bad + bad);                      // overlong
  CHECK(one_line("\xe0\x80\xaf") == bad + bad + bad);            // overlong
  CHECK(one_line("\xed\xa0\x80") == bad + bad + bad);            // a surrogate
  CHECK(one_line("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // beyond the last character
  CHECK(one_line("\xf8\xff") == bad + bad);
  CHECK(one_line("\xe2\x82x") == bad + bad + "x");
}

TEST_CASE("Control characters of every kind are shown as question marks", "[api][text]") {
  CHECK(one_line(std::string("a\0b\nc\td\x1b[2Je\x7f", 13)) == "a?b?c?d?[2Je?");
  CHECK(one_line("\xc2\x80\xc2\x9b\xc2\x9f") == "???");              // C1
  CHECK(one_line("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8") == "???");  // right-to-left override, isolate, line separator
  CHECK(several_lines("a\nb\r\n\tc") == "a\nb?\n?c");
}

TEST_CASE("Texts are measured in characters", "[api][text]") {
  CHECK(characters_of("a\xc3\xa9\xe2\x82\xac") == 3);
  CHECK(bytes_of("a\xc3\xa9\xe2\x82\xac", 2) == 3);
  CHECK(bytes_of("a\xc3\xa9", 9) == 3);
  CHECK(bytes_of("a\xc3\xa9", 0) == 0);
}

}  // namespace devbindd::plain_text_test
