// SPDX-License-Identifier: Apache-2.0
// The fake kernel answers as a real one does: tests/data/conformance.json, which tests/vm asks a real one too.
#include "tests/fake_kernel.hpp"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sysfs/kernel/fields.hpp"
#include "tests/catch2.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::fake_kernel_test {

namespace {

using devbindd::sysfs::errno_name;
using devbindd::tests::FakeKernel;
using nlohmann::json;

const json& table() {
  static const json read =
      json::parse(std::ifstream(std::filesystem::path(tests::data_directory) / "conformance.json"));
  return read;
}

std::string address_of(const std::string& name) { return table()["devices"].at(name); }

// "devices/{nic}/driver" with the device's address.
std::string filled(std::string text) {
  for (const auto& [name, address] : table()["devices"].items()) {
    const auto word = "{" + name + "}";
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word))
      text.replace(at, word.size(), address.get<std::string>());
  }
  return text;
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (; times > 0; --times) all += text;
  return all;
}

/// The devices of the table as the test machine has them.
struct Machine : FakeKernel {
  Machine() {
    add_driver({.name = "e1000e", .ids = {{0x8086, 0x10d3}}});
    add_driver({.name = "e1000", .ids = {{0x8086, 0x100e}}});
    add_driver({.name = "shpchp", .ids = {{0x1b36, 0x000e}}});
    add_driver({.name = "nvme", .ids = {{0x1b36, 0x0010}}});
    add_driver({.name = "pcieport", .ids = {{0x1b36, 0x000c}}, .manages_dma = true});
    add_driver({.name = "vfio-pci", .override_only = true, .manages_dma = true});
    add_device({.address = address_of("nic"), .group = 1, .driver = "e1000e"});
    add_device({.address = address_of("twin"), .group = 2, .driver = "e1000e"});
    add_device({.address = address_of("free"),
                .vendor = 0x1234,
                .device = 0x11e8,
                .subsystem_vendor = 0x1af4,
                .subsystem_device = 0x1100,
                .class_code = 0x00ff00,
                .group = 3});
    add_device({.address = address_of("pf"),
                .vendor = 0x1b36,
                .device = 0x0010,
                .class_code = 0x010802,
                .group = 4,
                .driver = "nvme",
                .totalvfs = 8,
                .vf_offset = 1,
                .vf_stride = 1,
                .vf_device = 0x0010});
    add_device({.address = address_of("port"),
                .vendor = 0x1b36,
                .device = 0x000c,
                .class_code = 0x060400,
                .group = 5,
                .driver = "pcieport"});
    add_device({.address = address_of("bridge"),
                .vendor = 0x1b36,
                .device = 0x000e,
                .class_code = 0x060400,
                .group = 6,
                .driver = "shpchp"});
    for (const auto* name : {"pair0", "pair1"})
      add_device({.address = address_of(name), .device = 0x100e, .group = 6, .driver = "e1000"});
    give_reset(address_of("nic"));
  }
};

const std::string bus = "sys/bus/pci/";

// The errno's name; "" for success.
template <class Value>
std::string errno_of(const sysfs::Result<Value>& result) {
  return result ? "" : errno_name(result.error().errno_value);
}

void take(Machine& kernel, const json& step) {
  if (step.contains("write")) {
    const auto value = repeated(filled(step["value"]), step.value("times", std::size_t{1}));
    CHECK(errno_of(kernel.write(bus + filled(step["write"]), value)) == step.value("errno", ""));
  } else if (step.contains("read")) {
    const auto content = kernel.read_bytes(bus + filled(step["read"]), 4096);
    CHECK(errno_of(content) == step.value("errno", ""));
    CHECK(content.value_or("") == step.value("is", ""));
  } else if (step.contains("driver_of")) {
    const auto driver = kernel.link(bus + "devices/" + filled(step["driver_of"]) + "/driver").value();
    const auto name = driver ? json(driver->substr(driver->rfind('/') + 1)) : json(nullptr);
    CHECK(name == step["is"]);
  } else if (step.contains("open")) {
    kernel.open_device(filled(step["open"]), 4711, "vmm");
  } else {
    kernel.close_device(filled(step.at("close")));
  }
}

}  // namespace

TEST_CASE("The fake kernel answers what a real one answers", "[fake_kernel]") {
  CHECK(table()["scenarios"].size() == 18);
  for (const auto& scenario : table()["scenarios"]) {
    DYNAMIC_SECTION(scenario["name"].get<std::string>()) {
      Machine kernel;
      for (const auto& step : scenario["steps"]) {
        INFO(step.dump());
        take(kernel, step);
      }
    }
  }
}

}  // namespace devbindd::fake_kernel_test
