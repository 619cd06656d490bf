// SPDX-License-Identifier: Apache-2.0
// The configuration file: what it may say, and that every mistake names its place.
#include "daemon/configuration.hpp"

#include <filesystem>
#include <fstream>

#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::configuration_test {

namespace {

using devbindd::daemon::Configuration;
using devbindd::daemon::load_configuration;
using devbindd::daemon::parse_configuration;

// "ok" or the pointer of the mistake.
std::string outcome(std::string_view text) {
  const auto configuration = parse_configuration(text);
  return configuration ? "ok" : "at " + configuration.error().pointer;
}

void check_equal(const Configuration& left, const Configuration& right) {
  CHECK(left.unix_path == right.unix_path);
  CHECK(left.unix_group == right.unix_group);
  CHECK(left.unix_mode == right.unix_mode);
  CHECK(left.tcp.has_value() == right.tcp.has_value());
  CHECK(left.state_directory == right.state_directory);
  CHECK(left.cdi_directory == right.cdi_directory);
  CHECK(left.log_level == right.log_level);
  CHECK(left.read_only == right.read_only);
  CHECK(left.step_deadline == right.step_deadline);
  CHECK(left.request_wait == right.request_wait);
  CHECK(left.shutdown_wait == right.shutdown_wait);
}

}  // namespace

TEST_CASE("the shipped configuration says the defaults", "[daemon][configuration]") {
  const auto source = std::filesystem::path(devbindd::tests::data_directory).parent_path().parent_path();
  const auto shipped = load_configuration(source / "systemd" / "devbindd.json");
  REQUIRE(shipped);
  check_equal(*shipped, Configuration{});
  check_equal(parse_configuration("{}").value(), Configuration{});
}

TEST_CASE("every key can be set", "[daemon][configuration]") {
  const auto configuration = parse_configuration(R"(// a comment
    { "unix": { "path": "/tmp/s", "group": "", "mode": "0600" }, /* another */
      "tcp": { "address": "::1", "port": 0, "every_local_user_is_admin": true },
      "state_directory": "/tmp/state", "cdi_directory": "/tmp/cdi", "log_level": "debug", "read_only": true,
      "step_deadline_seconds": 1, "request_wait_seconds": 3600, "shutdown_wait_seconds": 2 })");
  REQUIRE(configuration);
  CHECK(configuration->unix_path == "/tmp/s");
  CHECK(configuration->unix_group.empty());
  CHECK(configuration->unix_mode == 0600);
  REQUIRE(configuration->tcp);
  CHECK(configuration->tcp->address == "::1");
  CHECK(configuration->tcp->port == 0);
  CHECK(configuration->tcp->every_local_user_is_admin);
  CHECK(configuration->state_directory == "/tmp/state");
  CHECK(configuration->cdi_directory == "/tmp/cdi");
  CHECK(configuration->log_level == "debug");
  CHECK(configuration->read_only);
  CHECK(configuration->step_deadline == std::chrono::seconds(1));
  CHECK(configuration->request_wait == std::chrono::seconds(3600));
  CHECK(configuration->shutdown_wait == std::chrono::seconds(2));
}

TEST_CASE("an unknown key is named", "[daemon][configuration]") {
  CHECK(outcome(R"({"red_only":true})") == "at /red_only");
  CHECK(outcome(R"({"unix":{"pth":"/x"}})") == "at /unix/pth");
  CHECK(outcome(R"({"tcp":{"prt":1}})") == "at /tcp/prt");
  CHECK(outcome(R"({"a/b":1})") == "at /a~1b");
}

TEST_CASE("a value of another type is named", "[daemon][configuration]") {
  CHECK(outcome(R"({"unix":[]})") == "at /unix");
  CHECK(outcome(R"({"unix":null})") == "at /unix");
  CHECK(outcome(R"({"unix":{"path":1}})") == "at /unix/path");
  CHECK(outcome(R"({"unix":{"group":null}})") == "at /unix/group");
  CHECK(outcome(R"({"unix":{"mode":660}})") == "at /unix/mode");
  CHECK(outcome(R"({"tcp":true})") == "at /tcp");
  CHECK(outcome(R"({"tcp":{"port":"8480"}})") == "at /tcp/port");
  CHECK(outcome(R"({"tcp":{"every_local_user_is_admin":1}})") == "at /tcp/every_local_user_is_admin");
  CHECK(outcome(R"({"read_only":"yes"})") == "at /read_only");
  CHECK(outcome(R"({"state_directory":null})") == "at /state_directory");
}

TEST_CASE("numbers keep to their bounds", "[daemon][configuration]") {
  for (const auto* value : {"0", "3601", "-1", "1.5", "\"1\"", "null"}) {
    for (const auto* key : {"step_deadline_seconds", "request_wait_seconds", "shutdown_wait_seconds"}) {
      CHECK(outcome(std::string("{\"") + key + "\":" + value + "}") == std::string("at /") + key);
    }
  }
  CHECK(outcome(R"({"tcp":{"port":65536}})") == "at /tcp/port");
  CHECK(outcome(R"({"tcp":{"port":-1}})") == "at /tcp/port");
}

TEST_CASE("a mode is octal digits in a string", "[daemon][configuration]") {
  CHECK(parse_configuration(R"({"unix":{"mode":"660"}})")->unix_mode == 0660);
  for (const auto* mode : {"0689", "rw", "00660", "-660", "0x1b0", " 660", ""}) {
    INFO(mode);
    CHECK(outcome(std::string(R"({"unix":{"mode":")") + mode + "\"}}") == "at /unix/mode");
  }
}

TEST_CASE("a TCP address is on the loopback", "[daemon][configuration]") {
  CHECK(parse_configuration(R"({"tcp":{}})")->tcp->port == 8480);
  CHECK(outcome(R"({"tcp":{"address":"127.3.2.1"}})") == "ok");
  for (const auto* address :
       {"0.0.0.0", "::", "192.168.0.1", "localhost", "", "127.", "127.0.0.1.example.com", "127.0.0.1:80", "[::1]"}) {
    INFO(address);
    CHECK(outcome(std::string(R"({"tcp":{"address":")") + address + "\"}}") == "at /tcp/address");
  }
}

TEST_CASE("paths are absolute and levels known", "[daemon][configuration]") {
  CHECK(outcome(R"({"unix":{"path":"run/s"}})") == "at /unix/path");
  CHECK(outcome(R"({"unix":{"path":""}})") == "at /unix/path");
  CHECK(outcome(R"({"state_directory":"var"})") == "at /state_directory");
  CHECK(outcome(R"({"cdi_directory":"cdi"})") == "at /cdi_directory");
  CHECK(outcome(R"({"cdi_directory":null})") == "ok");
  CHECK(outcome(R"({"cdi_directory":1})") == "at /cdi_directory");
  CHECK(outcome(R"({"log_level":"trace"})") == "at /log_level");
  CHECK(outcome(R"({"log_level":"warning"})") == "ok");
}

TEST_CASE("policies are read in their order, and the first mistake is named", "[daemon][configuration]") {
  const auto configuration = parse_configuration(R"({"policies": [
    {"name": "a", "selector": {"vendor": "8086", "subsystem_vendor": "1028", "subsystem_device": "06a5", "class": "02"}, "driver": "vfio-pci"},
    {"name": "b", "selector": {"category": "storage"}, "driver": "nvme", "scope": "device", "exclude": ["0000:04:00.0"]}]})");
  REQUIRE(configuration);
  REQUIRE(configuration->policies.size() == 2);
  CHECK(configuration->policies[0].selector.vendor == 0x8086);
  CHECK(configuration->policies[0].selector.subsystem_vendor == 0x1028);
  CHECK(configuration->policies[0].selector.subsystem_device == 0x06a5);
  CHECK(configuration->policies[0].scope == devbindd::handoff::Scope::Group);
  CHECK(configuration->policies[1].scope == devbindd::handoff::Scope::Device);
  CHECK(configuration->policies[1].exclude.size() == 1);
  const std::string good = R"("name": "a", "selector": {"vendor": "8086"}, "driver": "vfio-pci")";
  const auto one = [](const std::string& policy) { return outcome("{\"policies\": [{" + policy + "}]}"); };
  CHECK(one(good) == "ok");
  CHECK(one(good + R"(, "vfs": 8)") == "ok");
  CHECK(one(good + R"(, "vfs": -1)") == "at /policies/0/vfs");
  CHECK(one(good + R"(, "vfs": 65536)") == "at /policies/0/vfs");
  CHECK(one(good + R"(, "vfs": 8, "scope": "device")") == "at /policies/0/scope");
  CHECK(outcome(R"({"policies": {}})") == "at /policies");
  CHECK(outcome(R"({"policies": [1]})") == "at /policies/0");
  CHECK(outcome("{\"policies\": [{" + good + "},{" + good + "}]}") == "at /policies/1/name");
  CHECK(one(R"("selector": {"vendor": "8086"}, "driver": "x")") == "at /policies/0/name");
  CHECK(one(R"("name": "a", "driver": "x")") == "at /policies/0/selector");
  CHECK(one(R"("name": "a", "selector": {}, "driver": "x")") == "at /policies/0/selector");
  CHECK(one(R"("name": "a", "selector": {"vendor": "8"}, "driver": "x")") == "at /policies/0/selector/vendor");
  CHECK(one(R"("name": "a", "selector": {"vendor": "8086", "count": 1}, "driver": "x")") ==
        "at /policies/0/selector/count");
  for (const std::string key : {"label", "labels", "link_speed", "same_switch"}) {
    const std::string value = key == "label"        ? "\"x\""
                              : key == "labels"     ? R"({"a": "b"})"
                              : key == "link_speed" ? "8"
                                                    : "true";
    CHECK(one(R"("name": "a", "selector": {"vendor": "8086", ")" + key + "\": " + value + R"(}, "driver": "x")") ==
          "at /policies/0/selector/" + key);
  }
  CHECK(one(R"("name": "a", "selector": {"vendor": "8086"}, "driver": "a/b")") == "at /policies/0/driver");
  CHECK(one(good + R"(, "scope": "all")") == "at /policies/0/scope");
  CHECK(one(good + R"(, "exclude": ["x"])") == "at /policies/0/exclude");
  CHECK(one(good + R"(, "exclude": [1])") == "at /policies/0/exclude");
  CHECK(one(good + R"(, "labels": ["vm"])") == "at /policies/0/labels");
  CHECK(one(good + R"(, "labels": {"pool": 1})") == "at /policies/0/labels/pool");
  CHECK(one(good + R"(, "exclude": "x")") == "at /policies/0/exclude");
  CHECK(one(good + R"(, "x": 1)") == "at /policies/0/x");
}

TEST_CASE("rules of access are read in their order", "[daemon][configuration]") {
  const auto configuration = parse_configuration(R"({"access": [
    {"who": {"group": "vmm"}, "role": "claimant", "devices": [{"vendor": "8086"}, {"labels": {"pool": "vm"}}],
     "drivers": ["vfio-pci"], "risks": ["net.carrier"], "max_claims": 2, "max_devices": 4},
    {"who": {"user": 1000}, "role": "operator"},
    {"who": {"token": "ci", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}, "role": "admin"},
    {"who": "everyone", "role": "reader"}]})");
  REQUIRE(configuration);
  CHECK(configuration->access.configured);
  const auto& rules = configuration->access.rules;
  REQUIRE(rules.size() == 4);
  CHECK(text_of(rules[0].who) == "group vmm");
  CHECK_FALSE(rules[0].who.number);
  CHECK(rules[0].permission.devices->size() == 2);
  CHECK(rules[0].permission.own_claims_only);
  CHECK(rules[0].permission.max_claims == 2U);
  CHECK(rules[0].permission.max_devices == 4U);
  CHECK(rules[1].who.number == 1000U);
  CHECK_FALSE(rules[1].permission.devices);
  CHECK_FALSE(rules[1].permission.drivers);
  CHECK(rules[1].permission.risks->empty());
  CHECK_FALSE(rules[1].permission.own_claims_only);
  CHECK(api::is_token("test", rules[2].who.digest));
  CHECK_FALSE(rules[2].permission.risks);
  CHECK(text_of(rules[3].who) == "everyone");
  CHECK_FALSE(parse_configuration(R"({"access": null})")->access.configured);
  CHECK(parse_configuration(R"({"access": []})")->access.configured);
}

TEST_CASE("a mistake in a rule of access is named", "[daemon][configuration]") {
  const auto one = [](const std::string& rule) { return outcome("{\"access\": [{" + rule + "}]}"); };
  const std::string claimant = R"("who": {"user": "a"}, "role": "claimant", "devices": "all")";
  CHECK(one(claimant) == "ok");
  CHECK(one(claimant + R"(, "owners": "all", "drivers": "all", "risks": "all")") == "ok");
  CHECK(outcome(R"({"access": {}})") == "at /access");
  CHECK(outcome(R"({"access": [1]})") == "at /access/0");
  CHECK(one(R"("role": "reader")") == "at /access/0/who");
  for (const auto* who : {"1", "\"root\"", "null", "{}", R"({"user": "a", "group": "b"})"})
    CHECK(one(std::string("\"who\": ") + who + R"(, "role": "reader")") == "at /access/0/who");
  for (const auto* user : {"\"\"", "-1", "4294967295", "1.5", "null", "[]"})
    CHECK(one(std::string(R"("who": {"user": )") + user + R"(}, "role": "reader")") == "at /access/0/who/user");
  CHECK(one(R"("who": {"user": 1, "x": 1}, "role": "reader")") == "at /access/0/who/x");
  CHECK(one(R"("who": {"token": "a", "sha256": "00"}, "role": "reader")") == "at /access/0/who/sha256");
  CHECK(one(R"("who": {"token": "a b", "sha256": "00"}, "role": "reader")") == "at /access/0/who/token");
  for (const auto* role : {"root", "none", ""})
    CHECK(one(std::string(R"("who": {"user": 1}, "role": ")") + role + "\"") == "at /access/0/role");
  CHECK(one(R"("who": {"user": 1})") == "at /access/0/role");
  for (const auto* role : {"operator", "admin"})
    CHECK(one(std::string(R"("who": "everyone", "role": ")") + role + "\"") == "at /access/0/role");
  for (const auto* role : {"reader", "admin"})
    CHECK(one(std::string(R"("who": {"user": 1}, "devices": "all", "role": ")") + role + "\"") ==
          "at /access/0/devices");
  CHECK(one(R"("who": {"user": 1}, "role": "operator", "owners": "all")") == "at /access/0/owners");
  CHECK(one(R"("who": {"user": 1}, "role": "claimant")") == "at /access/0/devices");
  CHECK(one(claimant + R"(, "owners": "me")") == "at /access/0/owners");
  CHECK(one(claimant + R"(, "drivers": ["a/b"])") == "at /access/0/drivers/0");
  CHECK(one(claimant + R"(, "drivers": "vfio-pci")") == "at /access/0/drivers");
  CHECK(one(claimant + R"(, "risks": ["nonsense"])") == "at /access/0/risks/0");
  CHECK(one(claimant + R"(, "risks": [1])") == "at /access/0/risks");
  CHECK(one(claimant + R"(, "max_claims": -1)") == "at /access/0/max_claims");
  const std::string with_selector = R"("who": {"user": 1}, "role": "operator", "devices": [)";
  CHECK(one(with_selector + "{}]") == "at /access/0/devices/0");
  CHECK(one(with_selector + R"({"vendor": "8086"}, {"vendor": "8"}])") == "at /access/0/devices/1/vendor");
  for (const auto* member : {R"("driver": "nvme")", R"("count": 1)", R"("same_switch": true)", R"("label": "x")"})
    CHECK(one(with_selector + R"({"vendor": "8086", )" + member + "}]").starts_with("at /access/0/devices/0/"));
  const std::string token = R"({"who": {"token": "a", "sha256": ")" + std::string(64, '0') + R"("}, "role": "reader"})";
  CHECK(outcome("{\"access\": [" + token + "," + token + "]}") == "at /access/1/who/token");
}

TEST_CASE("the old name of a key is answered with the new one", "[daemon][configuration]") {
  const auto configuration = parse_configuration(R"({"tcp": {"allow_changes": false}})");
  REQUIRE_FALSE(configuration);
  CHECK(configuration.error().pointer == "/tcp/allow_changes");
  CHECK(configuration.error().message.contains("every_local_user_is_admin"));
}

TEST_CASE("what is no JSON object is refused", "[daemon][configuration]") {
  for (const auto* text : {"", "[]", "{", "{} x", "# x\n{}"}) CHECK(outcome(text) == "at ");
  CHECK(outcome(R"({"read_only":true,"read_only":false})") == "at /read_only");
  CHECK(outcome("{" + std::string(70000, ' ') + "}") == "at ");
}

TEST_CASE("a file that cannot be read is an error", "[daemon][configuration]") {
  const devbindd::tests::TemporaryDirectory directory;
  CHECK(load_configuration(directory.path() / "absent").error().message.find("No such file") != std::string::npos);
  CHECK_FALSE(load_configuration(directory.path()));
  std::ofstream(directory.path() / "good") << R"({"read_only":true})";
  CHECK(load_configuration(directory.path() / "good")->read_only);
}

TEST_CASE("TLS needs its three files, by path or as systemd's credentials", "[daemon][configuration]") {
  const auto configuration = parse_configuration(
      R"({"tls":{"address":"::","port":443,"certificate":"/etc/c.pem","key":"credential:key","client_ca":"/etc/ca.pem"}})");
  REQUIRE(configuration);
  REQUIRE(configuration->tls);
  CHECK(configuration->tls->address == "::");
  CHECK(configuration->tls->port == 443);
  CHECK(configuration->tls->certificate == "/etc/c.pem");
  CHECK(configuration->tls->key == "credential:key");
  CHECK(configuration->tls->client_ca == "/etc/ca.pem");
  CHECK_FALSE(parse_configuration(R"({"tls":null})")->tls);
  CHECK(outcome(R"({"tls":true})") == "at /tls");
  CHECK(outcome(R"({"tls":{}})") == "at /tls/certificate");
  CHECK(outcome(R"({"tls":{"certificate":"/c"}})") == "at /tls/key");
  CHECK(outcome(R"({"tls":{"certificate":"/c","key":"/k"}})") == "at /tls/client_ca");
  CHECK(outcome(R"({"tls":{"certificate":"c.pem"}})") == "at /tls/certificate");
  CHECK(outcome(R"({"tls":{"certificate":"/c","key":"credential:"}})") == "at /tls/key");
  CHECK(outcome(R"({"tls":{"certificate":"/c","key":"credential:../k"}})") == "at /tls/key");
  CHECK(outcome(R"({"tls":{"address":"example.com"}})") == "at /tls/address");
  CHECK(outcome(R"({"tls":{"port":65536}})") == "at /tls/port");
  CHECK(outcome(R"({"tls":{"certificate":"/c","key":"/k","client_ca":"/a","ca":"/b"}})") == "at /tls/ca");
}

TEST_CASE("a rule can be for a client certificate", "[daemon][configuration]") {
  const auto with = [](const std::string& who) { return R"({"access":[{"who":)" + who + R"(,"role":"operator"}]})"; };
  const auto configuration = parse_configuration(with(R"({"certificate":"dns:Node-3.example"})"));
  REQUIRE(configuration);
  REQUIRE(configuration->access.rules.size() == 1);
  CHECK(configuration->access.rules[0].who.kind == devbindd::api::WhoKind::Certificate);
  CHECK(configuration->access.rules[0].who.name == "dns:node-3.example");
  CHECK(outcome(with(R"({"certificate":"node-3"})")) == "at /access/0/who/certificate");
  CHECK(outcome(with(R"({"certificate":"dns:a","user":"b"})")) == "at /access/0/who");
}

}  // namespace devbindd::configuration_test
