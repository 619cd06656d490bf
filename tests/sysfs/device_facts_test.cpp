// SPDX-License-Identifier: Apache-2.0
// What the attributes of a device say beyond its identity: link, power, resets, error counters, interrupts, slot.
#include "sysfs/device/device_facts.hpp"

#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::device_facts_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Attributes = std::map<std::string, std::string>;

// Every attribute at once, which no device has; each with a value that leaves its mark.
const Attributes everything = {{"current_link_speed", "8.0 GT/s PCIe"},
                               {"current_link_width", "4"},
                               {"max_link_speed", "16.0 GT/s PCIe"},
                               {"max_link_width", "16"},
                               {"power_state", "D3hot"},
                               {"power/runtime_status", "suspended"},
                               {"power/control", "auto"},
                               {"d3cold_allowed", "1"},
                               {"reset_method", "flr bus"},
                               {"aer_dev_correctable", "RxErr 1\nBadTLP 2\nTOTAL_ERR_COR 3"},
                               {"aer_dev_fatal", "DLP 4\nTOTAL_ERR_FATAL 4"},
                               {"aer_dev_nonfatal", "TLP 5\nTOTAL_ERR_NONFATAL 5"},
                               {"aer_rootport_total_err_cor", "6"},
                               {"aer_rootport_total_err_fatal", "7"},
                               {"aer_rootport_total_err_nonfatal", "8"},
                               {"irq", "24"},
                               {"dma_mask_bits", "64"},
                               {"local_cpulist", "0-15,32-47"},
                               {"label", "Onboard LAN 1"},
                               {"index", "3"},
                               {"acpi_index", "9"},
                               {"boot_vga", "0"},
                               {"ari_enabled", "1"},
                               {"removable", "fixed"},
                               {"sriov_vf_device", "10ca"},
                               {"sriov_offset", "128"},
                               {"sriov_stride", "2"},
                               {"sriov_drivers_autoprobe", "0"}};

}  // namespace

TEST_CASE("Every attribute becomes its fact") {
  const DeviceFacts expected{
      .link =
          Link{.current_speed = "8.0 GT/s PCIe", .current_width = 4, .max_speed = "16.0 GT/s PCIe", .max_width = 16},
      .power_state = "D3hot",
      .runtime_status = "suspended",
      .runtime_control = "auto",
      .d3cold_allowed = true,
      .reset_methods = std::vector<std::string>{"flr", "bus"},
      .error_counters = {{"correctable", {{"RxErr", 1}, {"BadTLP", 2}, {"TOTAL_ERR_COR", 3}}},
                         {"fatal", {{"DLP", 4}, {"TOTAL_ERR_FATAL", 4}}},
                         {"nonfatal", {{"TLP", 5}, {"TOTAL_ERR_NONFATAL", 5}}},
                         {"rootport_cor", {{"total", 6}}},
                         {"rootport_fatal", {{"total", 7}}},
                         {"rootport_nonfatal", {{"total", 8}}}},
      .irq = 24,
      .dma_mask_bits = 64,
      .local_cpus = "0-15,32-47",
      .label = "Onboard LAN 1",
      .firmware_index = 3,
      .boot_vga = false,
      .ari_enabled = true,
      .removable = "fixed",
      .sriov_vf_device = "10ca",
      .sriov_offset = 128,
      .sriov_stride = 2,
      .sriov_drivers_autoprobe = false};
  CHECK(facts_from(everything) == expected);
}

TEST_CASE("Every attribute that is asked for is used, and none other") {
  CHECK(fact_attributes().size() == everything.size());
  const auto whole = facts_from(everything);
  for (const auto& name : fact_attributes()) {
    CAPTURE(name);
    auto fewer = everything;
    CHECK(fewer.erase(name) == 1);
    if (name == "acpi_index") fewer.erase("index");  // it counts only where there is no index
    CHECK(facts_from(fewer) != whole);
  }
}

TEST_CASE("A device without any of them has no facts") { CHECK(facts_from({}) == DeviceFacts{}); }

TEST_CASE("The number of ACPI stands in for the firmware's") {
  CHECK(facts_from({{"acpi_index", "9"}}).firmware_index == 9U);
  CHECK(facts_from({{"index", "x"}, {"acpi_index", "9"}}).firmware_index == 9U);
}

TEST_CASE("A link that is down has no speed and no width, and yet is a link") {
  const auto facts = facts_from({{"current_link_speed", "Unknown"},
                                 {"current_link_width", "0"},
                                 {"max_link_speed", "Unknown speed"},
                                 {"max_link_width", "255"}});
  CHECK(facts.link == Link{});
  CHECK(facts_from({{"current_link_speed", "2.5 GT/s PCIe"}}).link.value().current_speed == "2.5 GT/s PCIe");
  CHECK(facts_from({{"max_link_speed", "2.5 GT/s PCIe"}}).link.value().max_speed == "2.5 GT/s PCIe");
}

TEST_CASE("A width is 1 to 32 lanes") {
  const auto [text, width] = GENERATE(table<std::string, std::optional<unsigned>>({{"1", 1},
                                                                                   {"32", 32},
                                                                                   {"33", {}},
                                                                                   {"0", {}},
                                                                                   {"-1", {}},
                                                                                   {"", {}},
                                                                                   {"x16", {}},
                                                                                   {"16 ", {}},
                                                                                   {"4294967297", {}}}));
  CAPTURE(text);
  const auto facts =
      facts_from({{"max_link_speed", "2.5 GT/s PCIe"}, {"max_link_width", text}, {"current_link_width", text}});
  CHECK(facts.link.value().max_width == width);
  CHECK(facts.link.value().current_width == width);
}

TEST_CASE("What the kernel calls unknown is absent") {
  CHECK(!facts_from({{"power_state", "unknown"}}).power_state);
  CHECK(!facts_from({{"removable", "unknown"}}).removable);
  CHECK(facts_from({{"power_state", "D3cold"}}).power_state == "D3cold");
}

TEST_CASE("A flag is 0 or 1") {
  const auto [text, flag] = GENERATE(table<std::string, std::optional<bool>>(
      {{"0", false}, {"1", true}, {"2", {}}, {"", {}}, {"Y", {}}, {"1\n", {}}, {"-0", {}}}));
  CAPTURE(text);
  const auto facts = facts_from(
      {{"d3cold_allowed", text}, {"boot_vga", text}, {"ari_enabled", text}, {"sriov_drivers_autoprobe", text}});
  CHECK(facts.d3cold_allowed == flag);
  CHECK(facts.boot_vga == flag);
  CHECK(facts.ari_enabled == flag);
  CHECK(facts.sriov_drivers_autoprobe == flag);
}

TEST_CASE("IRQ 0 is none") {
  CHECK(!facts_from({{"irq", "0"}}).irq);
  CHECK(facts_from({{"irq", "1"}}).irq == 1U);
}

TEST_CASE("A device that no method resets is told from one whose methods are not known") {
  CHECK(facts_from({{"reset_method", ""}}).reset_methods == std::vector<std::string>{});
  CHECK(!facts_from({}).reset_methods);
  CHECK(facts_from({{"reset_method", "device_specific  acpi flr "}}).reset_methods ==
        std::vector<std::string>{"device_specific", "acpi", "flr"});
}

TEST_CASE("Error counters are read line by line, and lines that are none are left out") {
  const auto counters = facts_from({{"aer_dev_fatal",
                                     "\nUncorrectable Internal Error 18446744073709551615\nno number\nTLP -1\nTLP "
                                     "18446744073709551616\n12\n"},
                                    {"aer_dev_nonfatal", "nothing here"},
                                    {"aer_rootport_total_err_cor", ""}})
                            .error_counters;
  REQUIRE(counters.size() == 1);
  CHECK(counters.at("fatal") == ErrorCounters{{"Uncorrectable Internal Error", 18446744073709551615U}, {"total", 12}});
}

TEST_CASE("The vectors of a device come in the order of their numbers") {
  FilesTree tree;
  const std::string device = "sys/devices/pci0000:00/0000:00:02.0";
  CHECK(read_msi_irqs(tree, device).empty());
  for (const auto* irq : {"100", "24", "9"}) tree.files.add_file(device + "/msi_irqs/" + irq, "msix\n");
  tree.files.add_file(device + "/msi_irqs/9", "msi\n");
  tree.files.add_file(device + "/msi_irqs/x", "msix\n");
  tree.files.add_directory(device + "/msi_irqs/7");
  CHECK(read_msi_irqs(tree, device) ==
        std::vector<std::pair<unsigned, std::string>>{{9, "msi"}, {24, "msix"}, {100, "msix"}});
}

TEST_CASE("The physical slot is that whose address is the device's without its function") {
  FilesTree tree;
  CHECK(!physical_slot(tree, "0000:05:00.0"));
  tree.files.add_file("sys/bus/pci/slots/3/address", "0000:05:00\n");
  tree.files.add_file("sys/bus/pci/slots/0-1/address", "10000:e1:1f\n");
  tree.files.add_directory("sys/bus/pci/slots/broken");
  CHECK(physical_slot(tree, "0000:05:00.0") == "3");
  CHECK(physical_slot(tree, "0000:05:00.7") == "3");
  CHECK(physical_slot(tree, "10000:e1:1f.2") == "0-1");
  CHECK(!physical_slot(tree, "0000:05:01.0"));
  CHECK(!physical_slot(tree, "0000:e1:1f.2"));
  CHECK(!physical_slot(tree, "0000:05:00"));
}

}  // namespace devbindd::device_facts_test
