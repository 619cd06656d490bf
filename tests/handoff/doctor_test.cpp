// SPDX-License-Identifier: Apache-2.0
// The preflight: each check with each of its verdicts, and how the facts are found.
#include "handoff/doctor/doctor.hpp"

#include <algorithm>
#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::doctor_test {

namespace {

using devbindd::handoff::Check;
using devbindd::handoff::examine;
using devbindd::handoff::gather_host_facts;
using devbindd::handoff::HostFacts;
using devbindd::handoff::Verdict;
using devbindd::sysfs::Answer;
using devbindd::sysfs::Device;
using devbindd::sysfs::ModuleState;
using devbindd::sysfs::OffCause;
using devbindd::sysfs::parse_modprobe_file;
using devbindd::tests::FakeKernel;
using Names = std::vector<std::string>;

Device device(const std::string& address, const char* driver, std::uint32_t class_code = 0x020000, unsigned group = 1) {
  Device made;
  made.address = devbindd::sysfs::parse_pci_address(address).value();
  made.class_code = class_code;
  made.iommu_group = group;
  if (driver != nullptr) made.driver = devbindd::sysfs::DriverName::parse(driver).value();
  return made;
}

// A host that passes every check.
HostFacts healthy() {
  HostFacts facts;
  facts.kernel_release = "6.1.0-44-amd64";
  facts.lockdown = "none";
  facts.iommu.translates = true;
  facts.iommu.has_groups = true;
  facts.iommu.interrupt_remapping = Answer::Yes;
  facts.iommu.domain_types = {{"DMA-FQ", 2}};
  for (const auto* unit : {"dmar0", "dmar1"}) facts.units.emplace_back().name = unit;
  for (const auto* module : {"vfio", "vfio_pci", "vfio_iommu_type1"}) {
    facts.modules.push_back({module, ModuleState::Loaded});
  }
  facts.modules.push_back({"iommufd", ModuleState::Unknown});
  facts.unsafe_interrupts_type1 = false;
  facts.no_iommu_mode = false;
  facts.locked_memory = devbindd::sysfs::LockedMemoryLimit{};
  facts.memory_bytes = 8ULL << 30U;
  facts.hugepages = {{2048, 0, 1024, 1000}};
  facts.devices = {device("0000:01:00.0", "e1000e"), device("0000:02:00.0", "nvme", 0x010802, 2)};
  return facts;
}

const Check& only(const std::vector<Check>& checks, const std::string& id) {
  const auto found = std::ranges::find(checks, id, &Check::id);
  REQUIRE(found != checks.end());
  return *found;
}

// The check of that name; one that does not pass says what to do, and one that passes does not.
Check check_of(const HostFacts& facts, const std::string& id) {
  const auto checks = examine(facts);
  const auto check = only(checks, id);
  CHECK((check.verdict == Verdict::Pass) == check.next_step.empty());
  CHECK(!check.title.empty());
  CHECK(check.detail.ends_with('.'));
  return check;
}

void set_module(HostFacts& facts, const std::string& name, std::optional<ModuleState> state) {
  std::ranges::find(facts.modules, name, &devbindd::handoff::ModuleFact::name)->state = state;
}

auto says(const std::string& text) { return devbindd::tests::has_text(text); }

}  // namespace

TEST_CASE("A healthy host passes every check, in the order of the report") {
  Names ids;
  for (const auto& check : examine(healthy())) {
    CAPTURE(check.id, check.detail);
    CHECK(check.verdict == Verdict::Pass);
    CHECK(check.next_step.empty());
    ids.push_back(check.id);
  }
  CHECK(ids == Names{"kernel.version",
                     "kernel.lockdown",
                     "kernel.sysfs",
                     "iommu.present",
                     "iommu.interrupt_remapping",
                     "iommu.default_domain",
                     "iommu.acs_override",
                     "iommu.groups",
                     "iommu.firmware_memory",
                     "vfio.modules",
                     "vfio.iommufd",
                     "vfio.blacklist",
                     "vfio.unsafe_interrupts",
                     "vfio.no_iommu",
                     "vfio.ids",
                     "drivers.uio",
                     "devices.driverless",
                     "devices.overrides",
                     "devices.unbinding",
                     "memory.locked",
                     "memory.hugepages",
                     "state.damaged"});
}

TEST_CASE("Of a host about which nothing is known something is said, without a crash") {
  const auto checks = examine(HostFacts{});
  CHECK(checks.size() == 17);
  CHECK(only(checks, "iommu.present").verdict == Verdict::Fail);
}

TEST_CASE("kernel.version") {
  const auto [release, verdict] = GENERATE(table<std::string, Verdict>({{"5.19.0", Verdict::Pass},
                                                                        {"5.19-rc1", Verdict::Pass},
                                                                        {"6.1.0-44-amd64", Verdict::Pass},
                                                                        {"10.0", Verdict::Pass},
                                                                        {"5.18.19", Verdict::Warn},
                                                                        {"5.9.1", Verdict::Warn},
                                                                        {"4.19.0", Verdict::Warn},
                                                                        {"", Verdict::Warn},
                                                                        {"six", Verdict::Warn},
                                                                        {"6", Verdict::Warn},
                                                                        {"6.", Verdict::Warn},
                                                                        {"6.x", Verdict::Warn}}));
  CAPTURE(release);
  auto facts = healthy();
  facts.kernel_release = release;
  CHECK(check_of(facts, "kernel.version").verdict == verdict);
}

TEST_CASE("kernel.lockdown") {
  const auto [lockdown, verdict] =
      GENERATE(table<std::optional<std::string>, Verdict>({{std::nullopt, Verdict::Pass},
                                                           {"none", Verdict::Pass},
                                                           {"integrity", Verdict::Warn},
                                                           {"confidentiality", Verdict::Warn}}));
  auto facts = healthy();
  facts.lockdown = lockdown;
  const auto check = check_of(facts, "kernel.lockdown");
  CHECK(check.verdict == verdict);
  if (verdict == Verdict::Warn) CHECK_THAT(check.detail, says("(" + *lockdown + ")"));
}

TEST_CASE("iommu.present") {
  auto facts = healthy();
  CHECK(check_of(facts, "iommu.present").detail == "2 units in use: dmar0, dmar1.");
  facts.iommu.has_groups = false;
  CHECK(check_of(facts, "iommu.present").verdict == Verdict::Fail);
  const auto [cause, step] = GENERATE(table<OffCause, std::string>({{OffCause::TurnedOff, "Take that word off"},
                                                                    {OffCause::NotAskedFor, "Add intel_iommu=on"},
                                                                    {OffCause::Firmware, "firmware's settings"},
                                                                    {OffCause::Kernel, "kernel's log"},
                                                                    {OffCause::Unknown, "/sys/class/iommu"}}));
  facts.iommu = {};
  facts.iommu.off_cause = cause;
  facts.iommu.why_off = "Because.";
  const auto check = check_of(facts, "iommu.present");
  CHECK(check.verdict == Verdict::Fail);
  CHECK(check.detail == "Because.");
  CHECK_THAT(check.next_step, says(step));
}

TEST_CASE("What needs an IOMMU is not asked where there is none") {
  auto facts = healthy();
  facts.iommu.translates = false;
  facts.iommu.why_off = "Because.";
  const auto checks = examine(facts);
  for (const auto* id : {"iommu.interrupt_remapping", "iommu.default_domain", "iommu.acs_override", "iommu.groups",
                         "iommu.firmware_memory"}) {
    CHECK(std::ranges::find(checks, id, &Check::id) == checks.end());
  }
}

TEST_CASE("iommu.interrupt_remapping") {
  const auto [answer, unsafe, verdict] =
      GENERATE(table<Answer, std::optional<bool>, Verdict>({{Answer::Yes, false, Verdict::Pass},
                                                            {Answer::Yes, true, Verdict::Pass},
                                                            {Answer::Unknown, false, Verdict::Warn},
                                                            {Answer::No, true, Verdict::Warn},
                                                            {Answer::No, false, Verdict::Fail},
                                                            {Answer::No, std::nullopt, Verdict::Fail}}));
  auto facts = healthy();
  facts.iommu.interrupt_remapping = answer;
  facts.unsafe_interrupts_type1 = unsafe;
  CHECK(check_of(facts, "iommu.interrupt_remapping").verdict == verdict);
  facts.unsafe_interrupts_type1 = std::nullopt;
  facts.unsafe_interrupts_iommufd = unsafe;
  CHECK(check_of(facts, "iommu.interrupt_remapping").verdict == verdict);
}

TEST_CASE("iommu.default_domain only informs") {
  auto facts = healthy();
  CHECK(check_of(facts, "iommu.default_domain").detail == "Groups by type: DMA-FQ 2.");
  facts.iommu.domain_types["identity"] = 3;
  const auto check = check_of(facts, "iommu.default_domain");
  CHECK(check.verdict == Verdict::Pass);
  CHECK_THAT(check.detail, says("DMA-FQ 2, identity 3") && says("passed through"));
  facts.iommu.domain_types.clear();
  CHECK_THAT(check_of(facts, "iommu.default_domain").detail, says("does not say"));
}

TEST_CASE("iommu.acs_override") {
  auto facts = healthy();
  facts.iommu.parameters = {{"pcie_acs_override", "downstream,multifunction"}};
  const auto check = check_of(facts, "iommu.acs_override");
  CHECK(check.verdict == Verdict::Warn);
  CHECK_THAT(check.detail, says("pcie_acs_override=downstream,multifunction"));
}

TEST_CASE("iommu.groups: endpoints of different slots in one group") {
  auto facts = healthy();
  const auto verdict = [&] { return check_of(facts, "iommu.groups").verdict; };
  facts.devices = {device("0000:01:00.0", "a"), device("0000:01:00.1", "b")};
  CHECK(verdict() == Verdict::Pass);  // functions of one card
  facts.devices = {device("0000:01:00.0", "a"), device("0000:00:1c.0", "pcieport", 0x060400)};
  CHECK(verdict() == Verdict::Pass);  // a bridge above it
  facts.devices = {device("0000:01:00.0", "a"), device("0000:02:00.0", "b", 0x020000, 2)};
  CHECK(verdict() == Verdict::Pass);
  facts.devices = {device("0000:01:00.0", "a"), device("0001:01:00.0", "b")};
  CHECK(verdict() == Verdict::Warn);
  facts.devices = {device("0000:05:01.0", "a", 0x020000, 23), device("0000:05:02.0", "b", 0x020000, 23),
                   device("0000:04:00.0", nullptr, 0x060400, 23)};
  const auto check = check_of(facts, "iommu.groups");
  CHECK(check.verdict == Verdict::Warn);
  CHECK_THAT(check.detail, says("group 23 holds 0000:05:01.0, 0000:05:02.0."));
  for (auto& each : facts.devices) each.iommu_group = std::nullopt;
  CHECK(verdict() == Verdict::Pass);
}

TEST_CASE("iommu.firmware_memory: groups that the kernel refuses are named with the reason") {
  auto facts = healthy();
  facts.refused_groups = {{3, "The firmware wants it."}};
  auto check = check_of(facts, "iommu.firmware_memory");
  CHECK(check.verdict == Verdict::Warn);
  CHECK(check.detail == "Group 3: The firmware wants it.");
  for (unsigned group = 4; group < 10; ++group) facts.refused_groups[group] = "So too.";
  check = check_of(facts, "iommu.firmware_memory");
  CHECK_THAT(check.detail, says("Group 6: So too. And 3 more.") && !says("Group 7"));
}

TEST_CASE("iommu.firmware_tables: well-formed, malformed or unreadable, and not asked where there are none") {
  auto facts = healthy();
  facts.firmware.dmar = devbindd::sysfs::Dmar{};
  auto check = check_of(facts, "iommu.firmware_tables");
  CHECK(check.verdict == Verdict::Pass);
  CHECK(check.detail == "Well-formed: DMAR.");
  facts.firmware.ivrs = devbindd::sysfs::fail(devbindd::sysfs::ErrorCode::Kernel, "Permission denied", 13);
  check = check_of(facts, "iommu.firmware_tables");
  CHECK(check.verdict == Verdict::Warn);
  CHECK(check.detail == "IVRS cannot be read: Permission denied.");
  (*facts.firmware.dmar)->problems = {{9, "The checksum is wrong."}};
  check = check_of(facts, "iommu.firmware_tables");
  CHECK(check.detail == "DMAR at 0x9: The checksum is wrong.");
  CHECK_THAT(check.next_step, says("Update the firmware"));
}

TEST_CASE("A finding names a few devices and counts the others") {
  auto facts = healthy();
  facts.devices.clear();
  for (unsigned group = 10; group < 20; ++group) {
    for (unsigned slot = 10; slot < 20; ++slot) {
      facts.devices.push_back(
          device("0000:" + std::to_string(group) + ":" + std::to_string(slot) + ".0", "a", 0x020000, group));
    }
  }
  const auto check = check_of(facts, "iommu.groups");
  CHECK_THAT(check.detail, says("group 10 holds") && says("0000:10:17.0 and 2 more") && says("and 2 more groups."));
  CHECK_THAT(check.detail, !says("0000:10:18.0") && !says("group 18"));
}

TEST_CASE("vfio.modules") {
  const auto [module, state, verdict] = GENERATE(table<std::string, std::optional<ModuleState>, Verdict>(
      {{"vfio_pci", ModuleState::BuiltIn, Verdict::Pass},
       {"vfio_pci", ModuleState::Loadable, Verdict::Pass},
       {"vfio_pci", ModuleState::Blacklisted, Verdict::Fail},
       {"vfio_pci", ModuleState::Unknown, Verdict::Fail},
       {"vfio_pci", std::nullopt, Verdict::Warn},
       {"vfio", ModuleState::Unknown, Verdict::Fail},
       {"vfio_iommu_type1", ModuleState::Unknown, Verdict::Fail}}));
  CAPTURE(module);
  auto facts = healthy();
  set_module(facts, module, state);
  const auto check = check_of(facts, "vfio.modules");
  CHECK(check.verdict == verdict);
  if (state == ModuleState::Blacklisted) CHECK_THAT(check.next_step, says("modprobe --showconfig"));
}

TEST_CASE("The worst module decides, and iommufd can stand in for the container alone") {
  auto facts = healthy();
  set_module(facts, "vfio", ModuleState::Unknown);
  set_module(facts, "vfio_pci", std::nullopt);
  CHECK(check_of(facts, "vfio.modules").verdict == Verdict::Fail);
  facts = healthy();
  set_module(facts, "vfio_iommu_type1", ModuleState::Unknown);
  set_module(facts, "iommufd", ModuleState::Loadable);
  CHECK(check_of(facts, "vfio.modules").verdict == Verdict::Warn);
  set_module(facts, "vfio_pci", ModuleState::Unknown);
  CHECK(check_of(facts, "vfio.modules").verdict == Verdict::Fail);
}

TEST_CASE("vfio.iommufd only informs") {
  auto facts = healthy();
  CHECK_THAT(check_of(facts, "vfio.iommufd").detail, says("Not here"));
  set_module(facts, "iommufd", ModuleState::BuiltIn);
  CHECK(check_of(facts, "vfio.iommufd").detail == "iommufd is built in.");
}

TEST_CASE("state.damaged names the rows that cannot be read") {
  auto facts = healthy();
  facts.damaged_rows = {{"audit", "17", "it is no JSON object"}};
  const auto check = check_of(facts, "state.damaged");
  CHECK(check.verdict == Verdict::Warn);
  CHECK_THAT(check.detail, says("1 row of the state database could not be read: audit 17 (it is no JSON object)."));
  facts.damaged_rows.resize(10, facts.damaged_rows.front());
  CHECK_THAT(check_of(facts, "state.damaged").detail, says("and 2 more"));
}

TEST_CASE("kernel.sysfs") {
  auto facts = healthy();
  facts.read_only_sysfs = "/sys";
  const auto check = check_of(facts, "kernel.sysfs");
  CHECK(check.verdict == Verdict::Fail);
  CHECK_THAT(check.detail, says("/sys is mounted read-only"));
}

TEST_CASE("vfio.blacklist names what forbids a module, where it stands, and what helps against that kind") {
  auto facts = healthy();
  facts.modprobe_lines = parse_modprobe_file("/etc/modprobe.d/a.conf",
                                             "options vfio-pci disable_vga=1\ninstall vfio /sbin/modprobe -i vfio\n"
                                             "blacklist igb\n");
  facts.iommu.parameters = {{"modprobe.blacklist", "igb,vfio-pci"}, {"module_blacklist", "vfio-pci"}};
  CHECK(check_of(facts, "vfio.blacklist").verdict == Verdict::Pass);  // modules have underscores there
  const auto [lines, parameter, detail, step] = GENERATE(table<std::string, std::string, std::string, std::string>({
      {"", "module_blacklist", "module_blacklist=igb,vfio_pci (kernel command line)", "reboot: the kernel itself"},
      {"", "modprobe.blacklist", "modprobe.blacklist=igb,vfio_pci (kernel command line)", "or load the module by hand"},
      {"#\nblacklist vfio-pci\n", "", "blacklist vfio_pci (/etc/modprobe.d/a.conf line 2)", "Take the blacklist line"},
      {"install vfio* /bin/true\n", "", "install vfio* /bin/true (/etc/modprobe.d/a.conf line 1)", "--ignore-install"},
      {"alias iommufd off\n", "", "alias iommufd off (/etc/modprobe.d/a.conf line 1)", "Take the alias line out"},
  }));
  CAPTURE(lines, parameter);
  facts.modprobe_lines = parse_modprobe_file("/etc/modprobe.d/a.conf", lines);
  facts.iommu.parameters.clear();
  if (!parameter.empty()) facts.iommu.parameters.push_back({parameter, "igb,vfio_pci"});
  const auto check = check_of(facts, "vfio.blacklist");
  CHECK(check.verdict == Verdict::Warn);
  CHECK_THAT(check.detail, says(detail));
  CHECK_THAT(check.next_step, says(step));
}

TEST_CASE("vfio.unsafe_interrupts") {
  auto facts = healthy();
  const auto verdict = [&] { return check_of(facts, "vfio.unsafe_interrupts").verdict; };
  facts.unsafe_interrupts_iommufd = true;
  CHECK(verdict() == Verdict::Warn);
  facts.unsafe_interrupts_iommufd = std::nullopt;
  facts.iommu.parameters = {{"vfio_iommu_type1.allow_unsafe_interrupts", "1"}};
  CHECK(verdict() == Verdict::Pass);  // the module is loaded, and it is off there
  facts.unsafe_interrupts_type1 = std::nullopt;
  CHECK(verdict() == Verdict::Warn);  // it will be on
  facts.iommu.parameters = {{"vfio_iommu_type1.allow_unsafe_interrupts", "N"}};
  CHECK(verdict() == Verdict::Pass);
  facts.iommu.parameters.clear();
  for (const auto& [options, expected] :
       {std::pair("allow_unsafe_interrupts=1", Verdict::Warn), std::pair("allow_unsafe_interrupts", Verdict::Warn),
        std::pair("\"allow_unsafe_interrupts=yes\"", Verdict::Warn),
        std::pair("allow-unsafe-interrupts=\"ON\"", Verdict::Warn),
        std::pair("allow_unsafe_interrupts=1 allow_unsafe_interrupts=0", Verdict::Pass),
        std::pair("allow_unsafe_interrupts=off", Verdict::Pass)}) {
    CAPTURE(options);
    facts.modprobe_lines = parse_modprobe_file("/x", "options vfio_iommu_type1 " + std::string(options));
    CHECK(verdict() == expected);
  }
  facts.modprobe_lines = parse_modprobe_file("/x", "options vfio_iommu_type1 allow_unsafe_interrupts=1");
  facts.iommu.parameters = {{"vfio_iommu_type1.allow_unsafe_interrupts", "N"}};
  CHECK(verdict() == Verdict::Pass);  // the command line comes last
  facts.iommu.parameters.clear();
  facts.unsafe_interrupts_type1 = true;
  CHECK_THAT(check_of(facts, "vfio.unsafe_interrupts").detail,
             says("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"));
}

TEST_CASE("vfio.no_iommu") {
  auto facts = healthy();
  facts.no_iommu_mode = std::nullopt;
  CHECK(check_of(facts, "vfio.no_iommu").verdict == Verdict::Pass);
  facts.no_iommu_mode = true;
  CHECK(check_of(facts, "vfio.no_iommu").verdict == Verdict::Warn);
}

TEST_CASE("vfio.ids") {
  auto facts = healthy();
  facts.modprobe_lines = parse_modprobe_file("/x", "options vfio-pci disable_vga=1\nblacklist vfio-pci ids=1\n");
  CHECK(check_of(facts, "vfio.ids").verdict == Verdict::Pass);
  facts.modprobe_lines = parse_modprobe_file("/etc/modprobe.d/v.conf", "options vfio-pci ids=8086:1572 disable_vga=1");
  CHECK(check_of(facts, "vfio.ids").verdict == Verdict::Warn);
  CHECK_THAT(check_of(facts, "vfio.ids").detail, says("ids=8086:1572 disable_vga=1 (/etc/modprobe.d/v.conf line 1)"));
  facts.modprobe_lines.clear();
  facts.iommu.parameters = {{"vfio_pci.ids", "8086:1572"}};
  CHECK(check_of(facts, "vfio.ids").verdict == Verdict::Warn);
}

TEST_CASE("drivers.uio") {
  auto facts = healthy();
  facts.uio_drivers = {"uio_pci_generic"};
  CHECK_THAT(check_of(facts, "drivers.uio").detail, says("uio_pci_generic is loaded"));
  CHECK(check_of(facts, "drivers.uio").verdict == Verdict::Warn);
  facts.devices.push_back(device("0000:09:00.0", "igb_uio"));
  CHECK_THAT(check_of(facts, "drivers.uio").detail, says("0000:09:00.0"));
  facts.uio_drivers.clear();
  CHECK(check_of(facts, "drivers.uio").verdict == Verdict::Warn);
}

TEST_CASE("devices.driverless: what nothing drives, without bridges and system devices") {
  const auto [class_code, verdict] = GENERATE(table<std::uint32_t, Verdict>({{0x020000U, Verdict::Warn},
                                                                             {0x010802U, Verdict::Warn},
                                                                             {0x030000U, Verdict::Warn},
                                                                             {0x120000U, Verdict::Warn},
                                                                             {0x050210U, Verdict::Warn},
                                                                             {0x060000U, Verdict::Pass},
                                                                             {0x060100U, Verdict::Pass},
                                                                             {0x060400U, Verdict::Pass},
                                                                             {0x080600U, Verdict::Pass},
                                                                             {0x050000U, Verdict::Pass},
                                                                             {0x110100U, Verdict::Pass},
                                                                             {0x130000U, Verdict::Pass},
                                                                             {0x000000U, Verdict::Pass},
                                                                             {0xff0000U, Verdict::Pass}}));
  CAPTURE(class_code);
  auto facts = healthy();
  facts.devices.push_back(device("0000:09:00.0", nullptr, class_code, 9));
  const auto check = check_of(facts, "devices.driverless");
  CHECK(check.verdict == verdict);
  if (verdict == Verdict::Warn) CHECK(check.detail == "1 device without a driver: 0000:09:00.0.");
}

TEST_CASE("A virtual function or a device on VFIO is not one that nothing drives") {
  auto facts = healthy();
  facts.devices = {device("0000:01:00.0", "vfio-pci"), device("0000:01:10.0", nullptr)};
  facts.devices.back().physfn = facts.devices.front().address;
  CHECK(check_of(facts, "devices.driverless").verdict == Verdict::Pass);
}

TEST_CASE("devices.overrides: one that names another driver than the device has") {
  auto facts = healthy();
  facts.devices = {device("0000:05:00.0", "e1000e"), device("0000:06:00.0", nullptr)};
  CHECK(check_of(facts, "devices.overrides").verdict == Verdict::Pass);
  facts.overrides->emplace(facts.devices[0].address, "e1000e");
  CHECK(check_of(facts, "devices.overrides").verdict == Verdict::Pass);
  facts.overrides->emplace(facts.devices[1].address, "vfio-pci");
  const auto check = check_of(facts, "devices.overrides");
  CHECK(check.verdict == Verdict::Warn);
  CHECK(check.detail.contains("0000:06:00.0 (vfio-pci)"));
  CHECK(!check.detail.contains("0000:05:00.0"));
  facts.overrides.reset();
  CHECK(check_of(facts, "devices.overrides").verdict == Verdict::Warn);
}

TEST_CASE("devices.unbinding: enabled without a driver") {
  auto facts = healthy();
  const auto verdict_with = [&](const char* driver, std::uint32_t class_code, std::optional<unsigned> enable_count) {
    facts.devices = {device("0000:09:00.0", driver, class_code)};
    facts.devices.back().enable_count = enable_count;
    return check_of(facts, "devices.unbinding").verdict;
  };
  CHECK(verdict_with(nullptr, 0x020000, 0) == Verdict::Pass);
  CHECK(verdict_with(nullptr, 0x020000, std::nullopt) == Verdict::Pass);
  CHECK(verdict_with("e1000e", 0x020000, 1) == Verdict::Pass);
  CHECK(verdict_with(nullptr, 0x060400, 2) == Verdict::Pass);  // enabled for what is below it
  CHECK(verdict_with(nullptr, 0x080600, 1) == Verdict::Pass);  // an AMD IOMMU
  CHECK(verdict_with(nullptr, 0x020000, 1) == Verdict::Fail);
  facts.devices.back().physfn = facts.devices.back().address;
  CHECK(check_of(facts, "devices.unbinding").verdict == Verdict::Fail);
}

TEST_CASE("memory.locked") {
  auto facts = healthy();
  facts.locked_memory = {8U << 20U, 8U << 20U};
  auto check = check_of(facts, "memory.locked");
  CHECK(check.verdict == Verdict::Warn);
  CHECK_THAT(check.detail, says("8 MiB, at most 8 MiB"));
  facts.locked_memory = {8U << 20U, std::nullopt};
  check = check_of(facts, "memory.locked");
  CHECK(check.verdict == Verdict::Pass);
  CHECK_THAT(check.detail, says("8 MiB, at most unlimited"));
  facts.locked_memory = {8ULL << 30U, 8ULL << 30U};  // all of the RAM
  CHECK(check_of(facts, "memory.locked").verdict == Verdict::Pass);
  facts.memory_bytes = 0;
  CHECK(check_of(facts, "memory.locked").verdict == Verdict::Warn);
  facts.locked_memory = std::nullopt;
  CHECK(check_of(facts, "memory.locked").verdict == Verdict::Warn);
}

TEST_CASE("memory.hugepages") {
  auto facts = healthy();
  facts.hugepages = {{2048, 0, 512, 12}, {1048576, 0, 0, 0}, {2048, 1, 512, 0}};
  CHECK(check_of(facts, "memory.hugepages").detail ==
        "512 of 2 MiB on node 0 (12 free), 512 of 2 MiB on node 1 (0 free).");
  facts.hugepages = {{1048576, std::nullopt, 4, 0}};
  CHECK_THAT(check_of(facts, "memory.hugepages").detail, says("All are taken: 4 of 1 GiB (0 free)"));
  CHECK(check_of(facts, "memory.hugepages").verdict == Verdict::Warn);
  facts.hugepages = {{2048, 0, 0, 0}};
  CHECK(check_of(facts, "memory.hugepages").verdict == Verdict::Warn);
  facts.hugepages.clear();
  CHECK_THAT(check_of(facts, "memory.hugepages").next_step, says("DPDK"));
}

namespace {

// No host has it, so that no module is loadable, and no modprobe.d of this host counts.
const devbindd::sysfs::ModuleIndex no_index{.directory = "/nonexistent/modules", .config_paths = {"/nonexistent/conf"}};

}  // namespace

TEST_CASE("The facts are gathered from /sys, /proc and /etc") {
  FakeKernel kernel;
  devbindd::tests::add_usual_drivers(kernel);
  kernel.add_device({.address = "0000:01:00.0", .group = 1, .driver = "e1000e"});
  kernel.set_file("proc/sys/kernel/osrelease", "6.1.0-44-amd64\n");
  kernel.set_file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  kernel.set_file("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
  kernel.set_file("sys/module/iommufd/parameters/allow_unsafe_interrupts", "N\n");
  kernel.set_file("sys/module/uio_pci_generic/initstate", "live\n");
  kernel.set_file("proc/self/limits",
                  "Limit                     Soft Limit           Hard Limit           Units     \n"
                  "Max locked memory         8388608              unlimited            bytes     \n");
  kernel.set_file("proc/meminfo", "MemTotal:       16384000 kB\nMemFree: 1 kB\n");
  for (const auto* node : {"node0", "node1", "node10"}) {
    const auto pool = "sys/devices/system/node/" + std::string(node) + "/hugepages/hugepages-2048kB/";
    kernel.set_file(pool + "nr_hugepages", "512\n");
    kernel.set_file(pool + "free_hugepages", "12\n");
  }
  kernel.set_file("sys/devices/system/node/has_cpu", "0\n");
  kernel.set_file("etc/modprobe.d/vfio.conf", "options vfio-pci ids=8086:1572\n");
  kernel.set_file("proc/self/mountinfo", "22 26 0:21 / /sys ro,relatime - sysfs sysfs rw\n");
  kernel.set_file("etc/modprobe.d/vfio.conf.bak", "blacklist vfio-pci\n");
  kernel.set_file("usr/lib/modprobe.d/vfio.conf", "blacklist vfio\n");  // hidden by the one in /etc
  kernel.set_file("usr/lib/modprobe.d/z.conf", "blacklist vfio-pci\n");

  const auto facts = gather_host_facts(kernel, no_index).value();
  CHECK(facts.kernel_release == "6.1.0-44-amd64");
  CHECK(facts.lockdown == "integrity");
  CHECK(facts.read_only_sysfs == "/sys");
  CHECK(facts.iommu.translates);
  REQUIRE(facts.units.size() == 1);
  CHECK(facts.units.front().name == "dmar0");
  Names modules;
  for (const auto& module : facts.modules) {
    modules.push_back(module.name + (module.state == ModuleState::Loaded ? "+" : "-"));
  }
  CHECK(modules == Names{"vfio+", "vfio_pci+", "vfio_iommu_type1+", "iommufd+"});
  CHECK(facts.unsafe_interrupts_type1 == true);
  CHECK(facts.unsafe_interrupts_iommufd == false);
  CHECK(facts.no_iommu_mode == false);
  CHECK(facts.uio_drivers == Names{"uio_pci_generic"});
  REQUIRE(facts.locked_memory);
  CHECK(facts.locked_memory->soft == 8388608U);
  CHECK(!facts.locked_memory->hard);
  CHECK(facts.memory_bytes == 16384000ULL * 1024);
  REQUIRE(facts.hugepages.size() == 3);
  CHECK(facts.hugepages[2].node == 10U);
  CHECK(facts.hugepages[0].size_kib == 2048);
  CHECK(facts.hugepages[0].total == 512);
  CHECK(facts.hugepages[0].free == 12);
  Names lines;
  for (const auto& line : facts.modprobe_lines) lines.push_back(line.file + ": " + line.command);
  CHECK(lines == Names{"/etc/modprobe.d/vfio.conf: options", "/usr/lib/modprobe.d/z.conf: blacklist"});
  CHECK(kernel.writes().empty());
}

TEST_CASE("A host that shows nothing gives facts without content, and nothing is invented") {
  FakeKernel kernel;
  kernel.set_file("proc/sys/kernel/osrelease", "");
  const auto facts = gather_host_facts(kernel, no_index).value();
  CHECK(facts.kernel_release.empty());
  CHECK(!facts.lockdown);
  CHECK(!facts.read_only_sysfs);
  CHECK(!facts.iommu.translates);
  CHECK(facts.units.empty());
  CHECK(std::ranges::all_of(facts.modules, [](const auto& each) { return each.state == ModuleState::Unknown; }));
  CHECK(!facts.unsafe_interrupts_type1);
  CHECK(!facts.no_iommu_mode);
  CHECK(facts.modprobe_lines.empty());
  CHECK(facts.uio_drivers.empty());
  CHECK(!facts.locked_memory);
  CHECK(facts.memory_bytes == 0);
  CHECK(facts.hugepages.empty());
}

TEST_CASE("Without NUMA nodes the pools of the whole host are read") {
  FakeKernel kernel;
  kernel.set_file("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
  kernel.set_file("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "x\n");
  kernel.set_file("sys/kernel/mm/hugepages/hugepages-kB/nr_hugepages", "4\n");
  const auto facts = gather_host_facts(kernel, no_index).value();
  REQUIRE(facts.hugepages.size() == 1);
  CHECK(!facts.hugepages.front().node);
  CHECK(facts.hugepages.front().total == 4);
  CHECK(facts.hugepages.front().free == 0);
}

TEST_CASE("Limits and lockdown that make no sense are absent") {
  const auto [limits, lockdown] = GENERATE(table<std::string, std::string>({{"Max locked memory\n", ""},
                                                                            {"Max locked memory 1\n", "none"},
                                                                            {"Max locked memory x y bytes\n", "]none["},
                                                                            {"Max open files 1 2 files\n", "[none"},
                                                                            {"", "none]"}}));
  CAPTURE(limits, lockdown);
  FakeKernel kernel;
  kernel.set_file("proc/self/limits", limits);
  kernel.set_file("sys/kernel/security/lockdown", lockdown);
  const auto facts = gather_host_facts(kernel, no_index).value();
  CHECK(!facts.locked_memory);
  CHECK(!facts.lockdown);
}

TEST_CASE("A list of IOMMUs that cannot be read is an error") {
  FakeKernel kernel;
  kernel.set_file("sys/class/iommu", "");
  const auto facts = gather_host_facts(kernel, no_index);
  REQUIRE(!facts);
  CHECK(facts.error().errno_value == ENOTDIR);
}

TEST_CASE("The facts are gathered without reading what can block") {
  FakeKernel kernel;
  devbindd::tests::add_usual_drivers(kernel);
  kernel.add_device({.address = "0000:01:00.0", .group = 1, .driver = "vfio-pci", .totalvfs = 8});
  const std::string path = "sys/bus/pci/devices/0000:01:00.0";
  class Watching : public devbindd::sysfs::Tree {
   public:
    explicit Watching(const FakeKernel& below) : below_(below) {}
    devbindd::sysfs::Result<std::string> read(std::string_view file, std::size_t limit) const override {
      files.emplace_back(file);
      return below_.read(file, limit);
    }
    devbindd::sysfs::Result<std::string> read_bytes(std::string_view file, std::size_t limit) const override {
      files.emplace_back(file);
      return below_.read_bytes(file, limit);
    }
    devbindd::sysfs::Result<> write(std::string_view, std::string_view) override {
      return devbindd::sysfs::fail(devbindd::sysfs::ErrorCode::Kernel, "not here", EROFS);
    }
    devbindd::sysfs::Result<std::optional<std::string>> link(std::string_view file) const override {
      return below_.link(file);
    }
    devbindd::sysfs::Result<std::vector<std::string>> list(std::string_view file) const override {
      return below_.list(file);
    }
    devbindd::sysfs::Result<std::optional<devbindd::sysfs::NodeStatus>> status(std::string_view file) const override {
      return below_.status(file);
    }
    mutable Names files;

   private:
    const FakeKernel& below_;
  };
  const Watching tree(kernel);
  REQUIRE(gather_host_facts(tree, no_index));
  CHECK(!tree.files.empty());
  for (const auto& file : tree.files) {
    CAPTURE(file);
    CHECK(!file.starts_with("sys/bus/pci/devices"));
    CHECK(!file.starts_with("sys/devices/pci"));
  }
}

}  // namespace devbindd::doctor_test
