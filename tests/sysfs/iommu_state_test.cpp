// SPDX-License-Identifier: Apache-2.0
// Whether translation is on, and why not.
#include "sysfs/iommu/iommu_state.hpp"

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::iommu_state_test {

namespace {

using devbindd::sysfs::Answer;
using devbindd::sysfs::BootParameter;
using devbindd::sysfs::has_option;
using devbindd::sysfs::OffCause;
using devbindd::sysfs::parse_command_line;
using devbindd::sysfs::read_iommu_state;
using devbindd::tests::FakeKernel;
using Parameters = std::vector<BootParameter>;
using Names = std::vector<std::string>;

const std::string tables = "sys/firmware/acpi/tables/";

// A machine whose firmware and command line are as given, and whose kernel uses no IOMMU.
FakeKernel machine(const Names& firmware_tables, const std::string& command_line) {
  FakeKernel kernel;
  kernel.set_file(tables + "FACP", "");
  for (const auto& table : firmware_tables) kernel.set_file(tables + table, "");
  kernel.set_file("proc/cmdline", command_line + "\n");
  return kernel;
}

void add_group(FakeKernel& kernel, int number, const std::string& type, const std::string& name = "") {
  const auto path = "sys/kernel/iommu_groups/" + std::to_string(number);
  kernel.set_file(path + "/reserved_regions", "");
  if (!type.empty()) kernel.set_file(path + "/type", type + "\n");
  if (!name.empty()) kernel.set_file(path + "/name", name + "\n");
}

void add_interrupt(FakeKernel& kernel, int number, const std::string& chip) {
  kernel.set_file("sys/kernel/irq/" + std::to_string(number) + "/chip_name", chip + "\n");
}

}  // namespace

TEST_CASE("The kernel command line is split as the kernel splits it") {
  const auto [text, expected] = GENERATE(table<std::string, Parameters>(
      {{"", {}},
       {" \t\n", {}},
       {"quiet", {{"quiet", std::nullopt}}},
       {"a=1  b=2\n", {{"a", "1"}, {"b", "2"}}},
       {"intel-iommu=on vfio-pci.ids=8086:1572", {{"intel_iommu", "on"}, {"vfio_pci.ids", "8086:1572"}}},
       {"root=UUID=x-y ro", {{"root", "UUID=x-y"}, {"ro", std::nullopt}}},
       {R"(a="one two" b=3)", {{"a", "one two"}, {"b", "3"}}},
       {R"("a=one two" b)", {{"a", "one two"}, {"b", std::nullopt}}},
       {R"(dyndbg="file drivers/* +p; module x +p")", {{"dyndbg", "file drivers/* +p; module x +p"}}},
       {R"(a=x"1 2"y b)", {{"a", R"(x"1 2"y)"}, {"b", std::nullopt}}},
       {R"(a="never ends b=2)", {{"a", "never ends b=2"}}},
       {"a= b", {{"a", ""}, {"b", std::nullopt}}},
       {"ro -- intel_iommu=off", {{"ro", std::nullopt}}},
       {"=x", {{"", "x"}}},
       {"\"", {{"", std::nullopt}}}}));
  CAPTURE(text);
  CHECK(parse_command_line(text) == expected);
}

TEST_CASE("A parameter is written back as it could stand on the command line") {
  CHECK(to_string(BootParameter{"intel_iommu", "on,sm_on"}) == "intel_iommu=on,sm_on");
  CHECK(to_string(BootParameter{"nointremap", std::nullopt}) == "nointremap");
  CHECK(to_string(BootParameter{"a", ""}) == "a=");
  CHECK(to_string(BootParameter{"a", "one two"}) == "a=\"one two\"");
}

TEST_CASE("An option is a whole value between commas") {
  const BootParameter parameter{"intel_iommu", "on,sm_off,,x"};
  CHECK(has_option(parameter, "on"));
  CHECK(has_option(parameter, "sm_off"));
  CHECK(has_option(parameter, "x"));
  CHECK(!has_option(parameter, "off"));
  CHECK(!has_option(BootParameter{"quiet", std::nullopt}, "on"));
}

TEST_CASE("Why translation is off") {
  const auto [firmware_tables, command_line, cause, expected] =
      GENERATE(table<Names, std::string, OffCause, std::string>({
          {{}, "quiet", OffCause::Firmware, "announces no IOMMU"},
          {{}, "intel_iommu=on", OffCause::Firmware, "announces no IOMMU"},
          {{"DMAR"}, "quiet", OffCause::NotAskedFor, "only when booted with intel_iommu=on"},
          {{"DMAR"}, "amd_iommu=off", OffCause::NotAskedFor, "only when booted with intel_iommu=on"},
          {{"DMAR"}, "intel_iommu=off", OffCause::TurnedOff, "turns it off with intel_iommu=off"},
          {{"DMAR"}, "intel_iommu=on intel_iommu=sm_on,off", OffCause::TurnedOff, "turns it off with intel_iommu=off"},
          {{"DMAR"}, "intel_iommu=off intel_iommu=on", OffCause::Kernel, "asks for it"},
          {{"DMAR"}, "intel_iommu=on,sm_on", OffCause::Kernel, "asks for it"},
          {{"DMAR"}, "intel_iommu=sm_on", OffCause::NotAskedFor, "only when booted with intel_iommu=on"},
          {{"DMAR"}, "intel_iommu=on iommu=off", OffCause::TurnedOff, "turns it off with iommu=off"},
          {{"DMAR"}, "intel_iommu=on iommu=pt", OffCause::Kernel, "asks for it"},
          {{"IVRS"}, "quiet", OffCause::Kernel, "(table IVRS), but the kernel did not take it into use"},
          {{"IVRS"}, "amd_iommu=off", OffCause::TurnedOff, "turns it off with amd_iommu=off"},
          {{"IVRS"}, "intel_iommu=off", OffCause::Kernel, "(table IVRS), but the kernel did not take it into use"},
          {{"IORT"}, "quiet", OffCause::Kernel, "has a table IORT"},
          {{"VIOT"}, "quiet", OffCause::Kernel, "has a table VIOT"},
          {{"DMAR"}, "quiet -- intel_iommu=off", OffCause::NotAskedFor, "only when booted with intel_iommu=on"},
      }));
  CAPTURE(firmware_tables, command_line);
  const auto state = read_iommu_state(machine(firmware_tables, command_line));
  CHECK(!state.translates);
  CHECK(!state.has_groups);
  CHECK(state.firmware_tables == firmware_tables);
  CHECK(state.off_cause == cause);
  CHECK_THAT(state.why_off, devbindd::tests::has_text(expected));
  CHECK(state.why_off.ends_with('.'));
}

TEST_CASE("A machine without ACPI and without an IOMMU says so") {
  const FakeKernel kernel;
  CHECK(read_iommu_state(kernel).why_off == "The kernel found no IOMMU on this machine.");
}

TEST_CASE("A list of units that cannot be read is not taken for a host without any") {
  FakeKernel kernel = machine({"DMAR"}, "");
  kernel.set_file("sys/class/iommu", "");
  const auto state = read_iommu_state(kernel);
  CHECK(state.off_cause == OffCause::Unknown);
  CHECK_THAT(state.why_off, devbindd::tests::has_text("cannot be read: Not a directory"));
}

TEST_CASE("A host with a unit translates, whatever the command line says") {
  auto kernel = machine({"DMAR"}, "intel_iommu=off");
  kernel.set_file("sys/class/iommu/dmar0/uevent", "");
  const auto state = read_iommu_state(kernel);
  CHECK(state.translates);
  CHECK(state.off_cause == OffCause::None);
  CHECK(state.why_off.empty());
}

TEST_CASE("The types of the groups are counted, without the stand-ins of no-IOMMU mode") {
  FakeKernel kernel;
  add_group(kernel, 0, "DMA-FQ");
  add_group(kernel, 1, "identity");
  add_group(kernel, 2, "DMA-FQ");
  add_group(kernel, 3, "");
  add_group(kernel, 4, "unknown", "vfio-noiommu");
  const auto state = read_iommu_state(kernel);
  CHECK(state.has_groups);
  CHECK(state.domain_types == std::map<std::string, std::size_t>{{"DMA-FQ", 2}, {"identity", 1}});
  CHECK(state.pass_through_groups() == 1);
  CHECK(state.no_iommu_groups == 1);
}

TEST_CASE("A host whose only groups are stand-ins has none") {
  FakeKernel kernel;
  add_group(kernel, 0, "unknown", "vfio-noiommu");
  const auto state = read_iommu_state(kernel);
  CHECK(!state.has_groups);
  CHECK(state.pass_through_groups() == 0);
}

TEST_CASE("Interrupt remapping shows in the names of the interrupt chips") {
  const auto [chips, expected] = GENERATE(table<Names, Answer>({
      {{"IO-APIC", "PCI-MSI"}, Answer::No},
      {{"IO-APIC", "IR-PCI-MSI-0000:00:1c.0"}, Answer::Yes},
      {{"DMAR-MSI", "IR-IO-APIC"}, Answer::Yes},
      {{"PCI-MSI", "IR-PCI-MSI"}, Answer::Yes},  // AMD: the IOMMU's own is never remapped
      {{"PCI-MSIX-0000:01:00.0"}, Answer::No},
      {{"ITS-PCI-MSI-0000:01:00.0"}, Answer::Yes},
      {{"GICv3", "", "Hyper-V PCIe MSI", "XT-PIC"}, Answer::Unknown},
  }));
  CAPTURE(chips);
  FakeKernel kernel;
  kernel.set_file("proc/interrupts", "IR-PCI-MSI\n");  // not looked at, where the chips have files
  for (int number = 0; const auto& chip : chips) add_interrupt(kernel, number++, chip);
  CHECK(read_iommu_state(kernel).interrupt_remapping == expected);
}

TEST_CASE("Without files for the chips /proc/interrupts is read") {
  const auto [text, expected] = GENERATE(table<std::string, Answer>({
      {"           CPU0       CPU1\n   1:          9          0  IR-IO-APIC    1-edge      i8042\n", Answer::Yes},
      {"   1:          9          0   IO-APIC    1-edge      i8042\n  24: 0 0 PCI-MSI 524288-edge eth0\n", Answer::No},
      {"   1:          9          0   XT-PIC  1-edge  my-IR-blaster\n", Answer::Unknown},
      {"", Answer::Unknown},
  }));
  FakeKernel kernel;
  kernel.set_file("proc/interrupts", text);
  CHECK(read_iommu_state(kernel).interrupt_remapping == expected);
}

TEST_CASE("A host that shows no interrupts leaves it open") {
  CHECK(read_iommu_state(FakeKernel{}).interrupt_remapping == Answer::Unknown);
}

TEST_CASE("Only the parameters that matter here are kept, in their order") {
  const auto state = read_iommu_state(
      machine({},
              "BOOT_IMAGE=/vmlinuz root=/dev/sda1 vfio-pci.ids=8086:1572 quiet iommu=pt iommu.strict=1 "
              "pcie_acs_override=downstream,multifunction vfio_iommu_type1.allow_unsafe_interrupts=1 pci=noaer "
              "nointremap pcie_aspm=off modprobe.blacklist=igb vfio.enable_unsafe_noiommu_mode=1 iommu_x=1"));
  Names kept;
  for (const auto& parameter : state.parameters) kept.push_back(to_string(parameter));
  CHECK(kept == Names{"vfio_pci.ids=8086:1572", "iommu=pt", "iommu.strict=1",
                      "pcie_acs_override=downstream,multifunction", "vfio_iommu_type1.allow_unsafe_interrupts=1",
                      "pci=noaer", "nointremap", "modprobe.blacklist=igb", "vfio.enable_unsafe_noiommu_mode=1"});
}

}  // namespace devbindd::iommu_state_test
