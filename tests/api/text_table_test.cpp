// SPDX-License-Identifier: Apache-2.0
// Tables for a terminal: widths, wrapping of the last column, and bytes that must not reach it.
#include "api/http/text_table.hpp"

#include <nlohmann/json.hpp>

#include "tests/catch2.hpp"

namespace devbindd::text_table_test {

namespace {

using namespace devbindd::api;
using nlohmann::json;

const std::vector<Column> columns = {{"NAME", [](const json& item) { return plain(item["name"]); }},
                                     {"TEXT", [](const json& item) { return plain(item["text"]); }}};

json item(const std::string& name, const std::string& text) { return {{"name", name}, {"text", text}}; }

std::string table(const std::vector<json>& items, std::size_t width = 120) {
  return text_table(columns, json(items), width);
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    found.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  CHECK(begin == text.size());  // the last line ends, too
  return found;
}

}  // namespace

TEST_CASE("A list without items is a line of headings") { CHECK(table({}) == "NAME  TEXT\n"); }

TEST_CASE("A column is as wide as its widest cell or its heading, and the last one is not filled up") {
  CHECK(table({item("a", "x"), item("longest", "long"), item("four", "")}) ==
        "NAME     TEXT\n"
        "a        x\n"
        "longest  long\n"
        "four     -\n");
}

TEST_CASE("Nothing is shown as a dash, in every column") {
  CHECK(table({json{{"name", nullptr}, {"text", ""}}}) == "NAME  TEXT\n-     -\n");
}

TEST_CASE("Control characters do not reach the terminal") {
  const auto text = table({item("a\x1b[2Jb", std::string("x\ny\tz\0\x7f\r", 8))});
  CHECK(text == "NAME    TEXT\na?[2Jb  x?y?z???\n");
}

TEST_CASE("Columns are measured in characters, and no character is cut") {
  CHECK(table({item("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "x"), item("abcde", "y"), item("\xe9", "\xc2\x9b")}) ==
        "NAME   TEXT\n\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9  x\nabcde  y\n\xef\xbf\xbd      ?\n");
  std::string word;
  for (int letter = 0; letter < 45; ++letter) word += "\xc3\xa9";
  const auto found = lines(table({item("a", word)}, 26));
  REQUIRE(found.size() == 4);
  CHECK(found[1] == "a     " + word.substr(0, 40));
  CHECK(found[3] == "      " + word.substr(80));
}

TEST_CASE("A table of one column") {
  const std::vector<Column> one = {{"ONE", [](const json& value) { return plain(value); }}};
  CHECK(text_table(one, json::array({1, "two", nullptr})) == "ONE\n1\ntwo\n-\n");
}

TEST_CASE("The last column is wrapped at blanks, below itself") {
  CHECK(table({item("a", "one two three four five six seven"), item("b", "eight")}, 26) ==
        "NAME  TEXT\n"
        "a     one two three four\n"
        "      five six seven\n"
        "b     eight\n");
}

TEST_CASE("A word that just fits is not wrapped, one more character is") {
  const std::string twenty(20, 'x');
  CHECK(lines(table({item("a", twenty)}, 26)).size() == 2);
  CHECK(lines(table({item("a", twenty + "y")}, 26)).size() == 3);
  CHECK(table({item("a", twenty + " y")}, 26) == "NAME  TEXT\na     " + twenty + "\n      y\n");
}

TEST_CASE("Without a blank it is wrapped behind a comma") {
  CHECK(table({item("a", "aaaa,bbbb,cccc,dddd,eeee,ffff")}, 26) ==
        "NAME  TEXT\n"
        "a     aaaa,bbbb,cccc,dddd,\n"
        "      eeee,ffff\n");
}

TEST_CASE("A word for which there is no such place is cut") {
  CHECK(table({item("a", std::string(45, 'x'))}, 26) ==
        "NAME  TEXT\n"
        "a     " +
            std::string(20, 'x') + "\n" + "      " + std::string(20, 'x') + "\n      xxxxx\n");
}

TEST_CASE("No line of text has more than 120 characters") {
  std::string words;
  for (int word = 0; word < 200; ++word) words += (words.empty() ? "" : " ") + std::string(1 + word % 17, 'w');
  std::string list = "first";
  for (int entry = 0; entry < 200; ++entry) list += "," + std::to_string(entry * 37);
  for (const auto& text : {words, list, std::string(1000, 'x'), std::string(120, ' '), std::string(500, ',')}) {
    const auto found = lines(table({item("0000:05:00.0", text)}));
    std::string whole;
    for (const auto& line : found) {
      CHECK(line.size() <= 120);
      whole += line;
    }
    CHECK(found.size() >= text.size() / 106);
    for (const char letter : {'w', ',', '7', 'x'})  // nothing is lost but blanks
      CHECK(std::ranges::count(whole, letter) == std::ranges::count(text, letter));
  }
}

TEST_CASE("Where the other columns leave no room the last one has 20 characters all the same") {
  const std::string name(118, 'n');
  const auto found = lines(table({item(name, "one two three four five six")}));
  REQUIRE(found.size() == 3);
  CHECK(found[1] == name + "  one two three four");
  CHECK(found[2] == std::string(120, ' ') + "five six");
}

TEST_CASE("Values as a person writes them") {
  CHECK(plain(nullptr).empty());
  CHECK(plain("text") == "text");
  CHECK(plain(12) == "12");
  CHECK(plain(true) == "true");
  CHECK(plain(json::array({"a", 1, nullptr, "b"})) == "a,1,,b");
  CHECK(plain(json::array()).empty());
}

TEST_CASE("A list is JSON unless text is preferred") {
  const json document = {{"items", json::array({item("a", "x")})}, {"next_page_token", nullptr}};
  Request request;
  auto response = list_response(request, document, columns);
  CHECK(response.content_type == "application/json");
  CHECK(json::parse(response.body) == document);
  request.accept = "text/plain";
  response = list_response(request, document, columns);
  CHECK(response.status == 200);
  CHECK(response.content_type == "text/plain; charset=utf-8");
  CHECK(response.body == "NAME  TEXT\na     x\n");
}

TEST_CASE("A page that is not the last one says how to go on") {
  Request request;
  request.accept = "text/plain";
  const auto response =
      list_response(request, {{"items", json::array({item("a", "x")})}, {"next_page_token", "0000:05:00.0"}}, columns);
  CHECK(response.body == "NAME  TEXT\na     x\n(more: ?page_token=0000:05:00.0)\n");
}

}  // namespace devbindd::text_table_test
