// SPDX-License-Identifier: Apache-2.0
// Decoded capabilities: values of saved spaces that are written here by hand from the specification, what is unknown,
// what is cut off. Against lspci all fields of these spaces are compared in lspci_test.py.
#include "sysfs/config_space/capabilities.hpp"

#include <fstream>

#include "sysfs/config_space/capability_table.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/config_dumps.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::capabilities_test {

namespace {

using namespace devbindd::sysfs;

ConfigSpace saved(const std::string& file, const std::string& address) {
  std::ifstream text(std::string(devbindd::tests::data_directory) + "/config/" + file);
  for (auto& dump : devbindd::tests::read_dumps(text)) {
    if (dump.address == address) return dump.config;
  }
  FAIL("no " + address + " in " + file);
  return {};
}

// The value at "register.part" or "name" of a named capability.
const Value& value(const std::vector<Capability>& list, std::string_view name, std::string path) {
  for (const auto& capability : list) {
    if (capability.name != name || !capability.fields) continue;
    const Fields* fields = &*capability.fields;
    while (true) {
      const auto dot = path.find('.');
      const auto wanted = path.substr(0, dot);
      for (const auto& field : *fields) {
        if (field.name != wanted) continue;
        if (dot == std::string::npos) return field.value;
        fields = &std::get<Fields>(field.value);
        break;
      }
      if (dot == std::string::npos) break;
      path = path.substr(dot + 1);
    }
  }
  static const Value none;
  FAIL("no " + std::string(name) + " " + path);
  return none;
}

std::uint64_t number(const std::vector<Capability>& list, std::string_view name, const std::string& path) {
  const auto& found = value(list, name, path);
  if (const auto* hex = std::get_if<Hex>(&found)) return hex->value;
  return std::get<std::uint64_t>(found);
}

bool flag(const std::vector<Capability>& list, std::string_view name, const std::string& path) {
  return std::get<bool>(value(list, name, path));
}

std::string text(const std::vector<Capability>& list, std::string_view name, const std::string& path) {
  return std::get<std::string>(value(list, name, path));
}

const Capability& unknown_in(const std::vector<Capability>& list) {
  for (const auto& capability : list) {
    if (capability.name.empty()) return capability;
  }
  FAIL("none is unknown");
  return list.front();
}

}  // namespace

TEST_CASE("The capabilities of an endpoint are decoded") {
  const auto config = saved("handmade_endpoint.txt", "0000:41:00.0");
  const auto report = decode_capabilities(config);
  CHECK(report.problems.empty());
  const auto& list = *report.standard;
  CHECK(number(list, "msi", "control.vectors_capable") == 8);
  CHECK(number(list, "msi", "control.vectors_enabled") == 4);
  CHECK(number(list, "msi", "address") == 0x1fee00418);
  CHECK(number(list, "msi", "mask") == 0xf);
  CHECK(number(list, "msix", "control.table_size") == 8);
  CHECK(number(list, "msix", "table.offset") == 0xb90000);
  CHECK(number(list, "msix", "pba.bar") == 3);
  CHECK(text(list, "exp", "flags.type") == "endpoint");
  CHECK(flag(list, "exp", "device_capabilities.function_level_reset"));
  CHECK(number(list, "exp", "device_control.max_payload_bytes") == 1024);
  CHECK(text(list, "exp", "link_status.speed") == "32GT/s");
  CHECK(number(list, "exp", "link_status.width") == 16);
  const auto& more = *report.extended;
  CHECK(text(more, "dsn", "serial_number") == "00-01-2e-c4-9a-8b-7c-6d");
  CHECK(number(more, "sriov", "total_vfs") == 16);
  CHECK(text(more, "sriov", "vf_device") == "2331");
  CHECK(number(more, "ari", "capabilities.next_function") == 1);
  CHECK(number(more, "ats", "capabilities.invalidate_queue_depth") == 32);
  CHECK(number(more, "pasid", "capabilities.max_width") == 20);
  CHECK(number(more, "ltr", "max_snoop.nanoseconds") == 3 << 10);
  CHECK(flag(more, "aer", "uncorrectable_status.completion_timeout") == false);
  CHECK(flag(more, "aer", "uncorrectable_status.poisoned_tlp"));
  CHECK(number(more, "dvsec", "length") == 0x1c);
  CHECK(std::get<std::vector<Fields>>(value(more, "rebar", "bars")).size() == 2);
}

TEST_CASE("The capabilities of a root port are decoded") {
  const auto config = saved("handmade_ports.txt", "0000:00:1c.0");
  const auto report = decode_capabilities(config);
  CHECK(text(*report.standard, "exp", "flags.type") == "root_port");
  CHECK(flag(*report.standard, "exp", "slot_capabilities.hot_plug"));
  CHECK(text(*report.standard, "ssvid", "subsystem_vendor") == "1849");
  CHECK(flag(*report.extended, "acs", "capabilities.direct_translated"));
  CHECK(flag(*report.extended, "acs", "control.request_redirect"));
  CHECK(!flag(*report.extended, "acs", "control.egress_control"));
  CHECK(flag(*report.extended, "dpc", "capabilities.root_port_extensions"));
  CHECK(number(*report.extended, "aer", "root_status.interrupt_message") == 1);
  CHECK(flag(*report.extended, "ptm", "capabilities.root"));
  CHECK(std::get<std::vector<Fields>>(value(*report.extended, "vc", "channels")).size() == 3);
  CHECK(std::holds_alternative<std::monostate>(value(*report.extended, "l1ss", "control_1.ltr_l1_2_threshold_ns")));
}

TEST_CASE("An unknown capability is listed with its bytes up to the next one") {
  const auto config = saved("handmade_endpoint.txt", "0000:41:00.0");
  const auto report = decode_capabilities(config);
  const auto& standard = unknown_in(*report.standard);
  CHECK(standard.header.id == 0x7e);
  CHECK(standard.header.bytes.size() == 8);
  CHECK(!standard.fields);
  const auto& extended = unknown_in(*report.extended);
  CHECK(extended.header.id == 0x7abc);
  CHECK(extended.header.bytes.size() == 16);
}

TEST_CASE("A register beyond what was read is named, and not made up") {
  auto config = saved("handmade_endpoint.txt", "0000:41:00.0");
  config.bytes.resize(0x60 + 0x0c);
  const auto report = decode_capabilities(config);
  const auto& express = report.standard->back();
  CHECK(express.name == "exp");
  CHECK(express.truncated == std::vector<std::string_view>{"link_capabilities", "link_control", "link_status",
                                                           "device_capabilities_2", "device_control_2",
                                                           "link_capabilities_2", "link_control_2", "link_status_2"});
  CHECK(text(*report.standard, "exp", "flags.type") == "endpoint");
}

TEST_CASE("Every space of every length is decoded without reading beyond it", "[long]") {
  for (const auto* file : {"handmade_endpoint.txt", "handmade_ports.txt", "handmade_others.txt", "broken_lists.txt",
                           "qemu_nvme_vf.txt", "qemu_q35.txt", "virtio_cloud.txt"}) {
    std::ifstream stream(std::string(devbindd::tests::data_directory) + "/config/" + file);
    for (const auto& dump : devbindd::tests::read_dumps(stream)) {
      for (std::size_t size = 0; size <= dump.config.bytes.size(); size += size < 0x400 ? 1 : 256) {
        ConfigSpace shorter{dump.config.bytes, dump.config.file_size};
        shorter.bytes.resize(size);
        shorter.bytes.shrink_to_fit();  // so that a sanitizer sees a read beyond the end
        const auto report = decode_capabilities(shorter);
        if (!report.standard) CHECK(!report.problems.empty());
      }
    }
  }
}

TEST_CASE("Names of capabilities are unique and every decoded one has a title") {
  for (const auto list : {ListKind::Standard, ListKind::Extended}) {
    for (unsigned id = 0; id < 0x100; ++id) {
      const auto* kind = capability_kind(list, static_cast<std::uint16_t>(id));
      if (kind == nullptr) continue;
      CHECK(kind->id == id);
      CHECK(!kind->name.empty());
      CHECK(!kind->title.empty());
      for (unsigned other = 0; other < id; ++other) {
        const auto* earlier = capability_kind(list, static_cast<std::uint16_t>(other));
        const bool same = earlier != nullptr && earlier->name == kind->name;
        CHECK(same == (same && kind->name == "vc"));  // two IDs of one structure
      }
    }
  }
}

}  // namespace devbindd::capabilities_test
