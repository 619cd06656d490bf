// SPDX-License-Identifier: Apache-2.0
// Vital product data: tags, fields, and what ends them early.
#include "sysfs/device/vital_product_data.hpp"

#include "tests/catch2.hpp"

namespace devbindd::vital_product_data_test {

namespace {

using namespace devbindd::sysfs;
using Fields = std::vector<std::pair<std::string, std::string>>;
using Texts = std::vector<std::string>;

const std::string end_tag = "\x78";

std::string large(char name, const std::string& content) {
  std::string tag(1, name);
  tag += static_cast<char>(content.size() & 0xffU);
  tag += static_cast<char>(content.size() >> 8U);
  return tag + content;
}
std::string identifier(const std::string& text) { return large('\x82', text); }
std::string read_only(const std::string& fields) { return large('\x90', fields); }
std::string read_write(const std::string& fields) { return large('\x91', fields); }
std::string field(const std::string& keyword, const std::string& value) {
  return keyword + static_cast<char>(value.size()) + value;
}

VitalProductData parse(const std::string& text) { return parse_vital_product_data(std::as_bytes(std::span(text))); }

}  // namespace

TEST_CASE("The name and the fields of the read-only part are read") {
  const auto data = parse(identifier("Hi1822 two port 100GE  ") +
                          read_only(field("PN", "SP572") + field("EC", "") + field("SN", "2102312CNU10K8000042 ") +
                                    field("V0", "0x8") + field("RV", std::string("\x5a\0\0", 3))) +
                          end_tag + "rubbish");
  CHECK(data.name == "Hi1822 two port 100GE");
  CHECK(data.fields == Fields{{"PN", "SP572"}, {"EC", ""}, {"SN", "2102312CNU10K8000042"}, {"V0", "0x8"}});
  CHECK(data.problems.empty());
}

TEST_CASE("The writable part and tags of no interest are passed over") {
  const auto data = parse(read_write(field("YA", "asset")) + std::string("\x22zz") + large('\x85', "unknown") +
                          read_only(field("SN", "1")) + end_tag);
  CHECK(!data.name);
  CHECK(data.fields == Fields{{"SN", "1"}});
  CHECK(data.problems.empty());
}

TEST_CASE("The end tag may have content of its own, and nothing behind it counts") {
  const auto data = parse(std::string("\x79\x55") + read_only(field("SN", "1")));
  CHECK(data.fields.empty());
  CHECK(data.problems.empty());
}

TEST_CASE("Data without an end tag says so, with what was read until then") {
  const Texts problem{"there is no end tag"};
  CHECK(parse("").problems == problem);
  CHECK(parse(std::string(64, '\xff')).problems == problem);
  const auto data = parse(identifier("name") + read_only(field("SN", "1")));
  CHECK(data.name == "name");
  CHECK(data.fields == Fields{{"SN", "1"}});
  CHECK(data.problems == problem);
}

TEST_CASE("Data that is cut off anywhere never shows what is not there") {
  const auto whole = identifier("name") + read_only(field("PN", "part") + field("SN", "serial")) + end_tag;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const auto data = parse(whole.substr(0, size));
    CHECK(data.name == (size >= 7 ? std::optional<std::string>("name") : std::nullopt));
    CHECK(data.fields.size() == (size == whole.size() - 1 ? 2U : 0U));
    CHECK(data.problems == Texts{"there is no end tag"});
  }
}

TEST_CASE("A field that goes beyond its part ends the part, not the data") {
  const auto data = parse(read_only(field("PN", "part") + "SN\x7fxx") + identifier("name") + end_tag);
  CHECK(data.fields == Fields{{"PN", "part"}});
  CHECK(data.name == "name");
  CHECK(data.problems == Texts{"the field SN goes beyond its part"});
  CHECK(parse(read_only("SN\x01") + end_tag).problems == Texts{"the field SN goes beyond its part"});
  CHECK(parse(read_only("SN") + end_tag).problems.empty());  // no more than padding
}

TEST_CASE("What is not printable is escaped") {
  const auto data =
      parse(identifier(std::string("a\0\x1b[2J\x7f\xc3", 8)) + read_only(field("\n\x80", "\r")) + end_tag);
  CHECK(data.name == "a\\x00\\x1b[2J\\x7f\\xc3");
  CHECK(data.fields == Fields{{"\\x0a\\x80", "\\x0d"}});
}

TEST_CASE("A tag may be longer than 255 bytes") {
  const std::string text(300, 'n');
  CHECK(parse(identifier(text) + end_tag).name == text);
}

TEST_CASE("The keywords that the specification names") {
  CHECK(vital_product_keyword("PN") == "part_number");
  CHECK(vital_product_keyword("SN") == "serial_number");
  CHECK(vital_product_keyword("EC") == "engineering_change");
  CHECK(vital_product_keyword("MN") == "manufacture_id");
  CHECK(vital_product_keyword("FG") == "fabric_geography");
  CHECK(vital_product_keyword("LC") == "location");
  CHECK(vital_product_keyword("V0").empty());
  CHECK(vital_product_keyword("").empty());
}

}  // namespace devbindd::vital_product_data_test
