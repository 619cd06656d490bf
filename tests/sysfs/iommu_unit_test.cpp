// SPDX-License-Identifier: Apache-2.0
// IOMMU units and their registers. The register values are those that real kernels printed, with their own reading of
// them where they printed one.
#include "sysfs/iommu/iommu_unit.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/fake_files.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::iommu_unit_test {

namespace {

using devbindd::sysfs::decode_amd;
using devbindd::sysfs::decode_intel;
using devbindd::sysfs::group_time;
using devbindd::sysfs::GroupTime;
using devbindd::sysfs::IommuKind;
using devbindd::sysfs::IommuUnit;
using devbindd::sysfs::list_iommu_units;
using devbindd::sysfs::parse_pci_address;
using devbindd::tests::FakeKernel;
using Widths = std::vector<unsigned>;
using Names = std::vector<std::string>;

// Reads and lists come from files and links that a test adds by hand.
class FileTree : public devbindd::sysfs::Tree {
 public:
  devbindd::tests::FakeFiles files;

  devbindd::sysfs::Result<std::string> read(std::string_view path, std::size_t) const override {
    auto content = files.content(path);
    if (!content) return failed(content.error());
    if (content->ends_with('\n')) content->pop_back();
    return *content;
  }
  devbindd::sysfs::Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
    return read(path, limit);
  }
  devbindd::sysfs::Result<> write(std::string_view, std::string_view) override { return failed(EROFS); }
  devbindd::sysfs::Result<std::optional<std::string>> link(std::string_view path) const override {
    const auto target = files.link_target(path);
    return target ? std::optional(*target) : std::nullopt;
  }
  devbindd::sysfs::Result<std::vector<std::string>> list(std::string_view path) const override {
    const auto names = files.names_in(path);
    if (!names) return failed(names.error());
    return *names;
  }
  devbindd::sysfs::Result<std::optional<devbindd::sysfs::NodeStatus>> status(std::string_view path) const override {
    const auto found = files.status(path);
    return found ? std::optional(*found) : std::nullopt;
  }

 private:
  static std::unexpected<devbindd::sysfs::Error> failed(int errno_value) {
    return devbindd::sysfs::fail(devbindd::sysfs::ErrorCode::Kernel, "fake", errno_value);
  }
};

IommuUnit only_unit(const devbindd::sysfs::Tree& tree) {
  const auto units = list_iommu_units(tree);
  REQUIRE(units);
  REQUIRE(units->size() == 1);
  return units->front();
}

FakeKernel with_unit(const std::string& name, const std::string& attribute, const std::string& content) {
  FakeKernel kernel;
  kernel.set_file("sys/class/iommu/" + name + "/" + attribute, content);
  return kernel;
}

}  // namespace

TEST_CASE("A host without an IOMMU has no units, with and without the class directory") {
  FakeKernel empty;
  CHECK(list_iommu_units(empty).value().empty());
  const FileTree without;
  CHECK(list_iommu_units(without).value().empty());
}

TEST_CASE("A class directory that cannot be listed is an error, not a host without an IOMMU") {
  FileTree tree;
  tree.files.add_file("sys/class/iommu", "");
  const auto units = list_iommu_units(tree);
  REQUIRE(!units);
  CHECK(units.error().errno_value == ENOTDIR);
}

TEST_CASE("Intel's and AMD's units give groups to devices that come, the others with the first driver") {
  CHECK(group_time(FakeKernel()) == GroupTime::Never);
  CHECK(group_time(FileTree()) == GroupTime::Never);
  CHECK(group_time(with_unit("dmar0", "uevent", "")) == GroupTime::WhenFound);
  CHECK(group_time(with_unit("ivhd0", "uevent", "")) == GroupTime::WhenFound);
  for (const auto* name : {"smmu3.0x0000000009050000", "smmu.0x9050000", "0000:00:02.0", "riscv-iommu@3000000"}) {
    CAPTURE(name);
    CHECK(group_time(with_unit(name, "uevent", "")) == GroupTime::AtFirstDriver);
  }
}

TEST_CASE("The name of a unit says of what kind it is") {
  const auto [name, kind, text] =
      GENERATE(table<std::string, IommuKind, std::string>({{"dmar0", IommuKind::Intel, "intel"},
                                                           {"dmar12", IommuKind::Intel, "intel"},
                                                           {"ivhd3", IommuKind::Amd, "amd"},
                                                           {"smmu.0x0000000009050000", IommuKind::Smmu, "smmu"},
                                                           {"smmu3.0x0000000009050000", IommuKind::SmmuV3, "smmu_v3"},
                                                           {"virtio4", IommuKind::Virtio, "virtio"},
                                                           {"riscv-iommu@3000000", IommuKind::RiscV, "riscv"},
                                                           {"s390-iommu.0000001b", IommuKind::S390, "s390"},
                                                           {"dmar", IommuKind::Other, "other"},
                                                           {"dmarx", IommuKind::Other, "other"},
                                                           {"ivhd0x", IommuKind::Other, "other"},
                                                           {"0000:00:02.0", IommuKind::Other, "other"}}));
  CAPTURE(name);
  const auto kernel = with_unit(name, "uevent", "");
  CHECK(only_unit(kernel).kind == kind);
  CHECK(name_of(kind) == text);
}

TEST_CASE("A virtio unit that is called as its PCI device is known by its driver") {
  FileTree tree;
  tree.files.add_directory("sys/class/iommu/0000:00:02.0");
  tree.files.add_link("sys/class/iommu/0000:00:02.0/device/driver", "../../../../bus/virtio/drivers/virtio_iommu");
  CHECK(only_unit(tree).kind == IommuKind::Virtio);
}

TEST_CASE("The devices behind a unit are PCI devices in order, and others by name") {
  FileTree tree;
  for (const auto* name : {"0000:02:00.0", "0000:00:1f.3", "10000:00:00.0", "9050000.usb", "0000:00:1f"}) {
    tree.files.add_link("sys/class/iommu/dmar0/devices/" + std::string(name),
                        "../../../../devices/" + std::string(name));
  }
  const auto unit = only_unit(tree);
  CHECK(unit.devices == std::vector{parse_pci_address("0000:00:1f.3").value(),
                                    parse_pci_address("0000:02:00.0").value(),
                                    parse_pci_address("10000:00:00.0").value()});
  CHECK(unit.other_devices == Names{"0000:00:1f", "9050000.usb"});
}

TEST_CASE("Units come in the order of their numbers") {
  FakeKernel kernel;
  for (const auto* name : {"dmar10", "dmar2", "dmar0"}) {
    kernel.set_file("sys/class/iommu/" + std::string(name) + "/uevent", "");
  }
  const auto units = list_iommu_units(kernel).value();
  Names names;
  for (const auto& unit : units) names.push_back(unit.name);
  CHECK(names == Names{"dmar0", "dmar2", "dmar10"});
}

TEST_CASE("The files of an Intel unit are read and decoded") {
  FakeKernel kernel;
  const std::string path = "sys/class/iommu/dmar0/intel-iommu/";
  kernel.set_file(path + "address", "fed90000\n");
  kernel.set_file(path + "version", "1:0\n");
  kernel.set_file(path + "cap", "1c0000c40660462\n");
  kernel.set_file(path + "ecap", "19e2ff0505e\n");
  kernel.set_file(path + "domains_supported", "256\n");
  kernel.set_file(path + "domains_used", "3\n");
  const auto unit = only_unit(kernel);
  CHECK(!unit.amd);
  REQUIRE(unit.intel);
  CHECK(unit.intel->address == 0xfed90000U);
  CHECK(unit.intel->version == "1:0");
  CHECK(unit.intel->cap == 0x1c0000c40660462U);
  CHECK(unit.intel->ecap == 0x19e2ff0505eU);
  CHECK(unit.intel->domains_supported == 256U);
  CHECK(unit.intel->domains_used == 3U);
  CHECK(unit.intel->capabilities == decode_intel(0x1c0000c40660462, 0x19e2ff0505e));
}

TEST_CASE("An attribute that makes no sense is absent, and so is the decoding") {
  const auto text = GENERATE(
      values<std::string>({"", " ", "0x1c", "1c0000c40660462 ", "-1", "zz", "11112222333344445", "1:0", "1\n2"}));
  CAPTURE(text);
  auto kernel = with_unit("dmar0", "intel-iommu/cap", text);
  kernel.set_file("sys/class/iommu/dmar0/intel-iommu/ecap", "f050da\n");
  kernel.set_file("sys/class/iommu/dmar0/intel-iommu/domains_used", text == "-1" ? "" : "-" + text);
  const auto unit = only_unit(kernel);
  REQUIRE(unit.intel);
  CHECK(!unit.intel->cap);
  CHECK(unit.intel->ecap == 0xf050daU);
  CHECK(!unit.intel->domains_used);
  CHECK(!unit.intel->capabilities);
}

TEST_CASE("A version is two numbers") {
  const auto [text, good] = GENERATE(table<std::string, bool>({{"1:0", true},
                                                               {"6:10", true},
                                                               {"", false},
                                                               {":", false},
                                                               {"1:", false},
                                                               {":1", false},
                                                               {"1.0", false},
                                                               {"1:0:0", false},
                                                               {"a:b", false}}));
  CAPTURE(text);
  const auto kernel = with_unit("dmar0", "intel-iommu/version", text + "\n");
  CHECK(only_unit(kernel).intel->version.has_value() == good);
}

TEST_CASE("The graphics unit of a Kaby Lake processor") {
  const auto found = decode_intel(0x1c0000c40660462, 0x19e2ff0505e);
  devbindd::sysfs::IntelCapabilities expected;
  expected.domains = 256;
  expected.protected_low_memory = true;
  expected.protected_high_memory = true;
  expected.address_widths = {48};
  expected.max_address_width = 39;  // the kernel printed "Host address width 39"
  expected.zero_length_read = true;
  expected.fault_register_offset = 0x400;
  expected.second_stage_2m_pages = true;
  expected.second_stage_1g_pages = true;
  expected.fault_registers = 1;
  expected.write_draining = true;
  expected.read_draining = true;
  expected.first_stage_1g_pages = true;
  expected.queued_invalidation = true;
  expected.device_tlb = true;
  expected.interrupt_remapping = true;
  expected.extended_interrupt_mode = true;
  expected.pass_through = true;
  expected.iotlb_register_offset = 0x500;
  expected.max_handle_mask = 15;
  expected.extended_context = true;
  expected.memory_type = true;
  expected.nested = true;
  expected.page_requests = true;
  expected.no_write_flag = true;
  expected.extended_accessed_flag = true;
  expected.process_address_spaces = true;
  expected.pasid_bits = 20;
  CHECK(found == expected);
}

TEST_CASE("The unit for everything else of the same processor") {
  const auto found = decode_intel(0xd2008c40660462, 0xf050da);
  devbindd::sysfs::IntelCapabilities expected;
  expected.domains = 256;
  expected.protected_low_memory = true;
  expected.protected_high_memory = true;
  expected.address_widths = {48};
  expected.max_address_width = 39;
  expected.zero_length_read = true;
  expected.fault_register_offset = 0x400;
  expected.second_stage_2m_pages = true;
  expected.second_stage_1g_pages = true;
  expected.page_selective_invalidation = true;
  expected.fault_registers = 1;
  expected.max_address_mask = 18;
  expected.write_draining = true;
  expected.read_draining = true;
  expected.queued_invalidation = true;
  expected.interrupt_remapping = true;
  expected.extended_interrupt_mode = true;
  expected.pass_through = true;
  expected.snoop_control = true;
  expected.iotlb_register_offset = 0x500;
  expected.max_handle_mask = 15;
  CHECK(found == expected);
}

TEST_CASE("A unit without pass-through, as an older processor has it") {
  const auto found = decode_intel(0xc0000020660462, 0xf0101a);
  CHECK(found.interrupt_remapping);
  CHECK(found.extended_interrupt_mode);
  CHECK(!found.pass_through);
  CHECK(!found.snoop_control);
  CHECK(!found.second_stage_2m_pages);
  CHECK(found.iotlb_register_offset == 0x100);
  CHECK(found.fault_register_offset == 0x200);
  CHECK(!found.pasid_bits);
}

TEST_CASE("Each bit of Intel's CAP stands for one thing") {
  using Capabilities = devbindd::sysfs::IntelCapabilities;
  const auto [position, member] =
      GENERATE(table<unsigned, bool Capabilities::*>({{3U, &Capabilities::advanced_fault_logging},
                                                      {4U, &Capabilities::write_buffer_flush},
                                                      {5U, &Capabilities::protected_low_memory},
                                                      {6U, &Capabilities::protected_high_memory},
                                                      {7U, &Capabilities::caching_mode},
                                                      {22U, &Capabilities::zero_length_read},
                                                      {34U, &Capabilities::second_stage_2m_pages},
                                                      {35U, &Capabilities::second_stage_1g_pages},
                                                      {39U, &Capabilities::page_selective_invalidation},
                                                      {54U, &Capabilities::write_draining},
                                                      {55U, &Capabilities::read_draining},
                                                      {56U, &Capabilities::first_stage_1g_pages},
                                                      {59U, &Capabilities::posted_interrupts},
                                                      {60U, &Capabilities::first_stage_5_levels},
                                                      {61U, &Capabilities::enhanced_commands},
                                                      {62U, &Capabilities::set_interrupt_table_invalidates},
                                                      {63U, &Capabilities::set_root_table_invalidates}}));
  CAPTURE(position);
  auto expected = decode_intel(0, 0);
  expected.*member = true;
  CHECK(decode_intel(1ULL << position, 0) == expected);
}

TEST_CASE("Each bit of Intel's ECAP stands for one thing") {
  using Capabilities = devbindd::sysfs::IntelCapabilities;
  const auto [position, member] =
      GENERATE(table<unsigned, bool Capabilities::*>({{0U, &Capabilities::coherent},
                                                      {1U, &Capabilities::queued_invalidation},
                                                      {2U, &Capabilities::device_tlb},
                                                      {3U, &Capabilities::interrupt_remapping},
                                                      {4U, &Capabilities::extended_interrupt_mode},
                                                      {6U, &Capabilities::pass_through},
                                                      {7U, &Capabilities::snoop_control},
                                                      {24U, &Capabilities::extended_context},
                                                      {25U, &Capabilities::memory_type},
                                                      {26U, &Capabilities::nested},
                                                      {29U, &Capabilities::page_requests},
                                                      {30U, &Capabilities::execute_requests},
                                                      {31U, &Capabilities::supervisor_requests},
                                                      {33U, &Capabilities::no_write_flag},
                                                      {34U, &Capabilities::extended_accessed_flag},
                                                      {41U, &Capabilities::device_tlb_throttling},
                                                      {42U, &Capabilities::page_request_drain},
                                                      {43U, &Capabilities::scalable_mode},
                                                      {44U, &Capabilities::virtual_command},
                                                      {45U, &Capabilities::second_stage_accessed_dirty},
                                                      {46U, &Capabilities::second_stage},
                                                      {47U, &Capabilities::first_stage},
                                                      {48U, &Capabilities::scalable_walk_coherent},
                                                      {49U, &Capabilities::rid_pasid},
                                                      {51U, &Capabilities::performance_monitoring}}));
  CAPTURE(position);
  auto expected = decode_intel(0, 0);
  expected.*member = true;
  CHECK(decode_intel(0, 1ULL << position) == expected);
}

TEST_CASE("The numbers in Intel's registers") {
  CHECK(decode_intel(0, 0).domains == 16U);
  CHECK(decode_intel(6, 0).domains == 65536U);
  CHECK(!decode_intel(7, 0).domains);
  CHECK(decode_intel(0x1f00, 0).address_widths == Widths{39, 48, 57});  // bits 0 and 4 of SAGAW are reserved
  CHECK(decode_intel(0x0200, 0).address_widths == Widths{39});
  CHECK(decode_intel(0x0800, 0).address_widths == Widths{57});
  CHECK(decode_intel(0x3f0000, 0).max_address_width == 64);
  CHECK(decode_intel(0xffULL << 40U, 0).fault_registers == 256);
  CHECK(decode_intel(0x3fULL << 48U, 0).max_address_mask == 63);
  CHECK(decode_intel(0x3ffULL << 24U, 0).fault_register_offset == 0x3ff0);
  CHECK(decode_intel(0, 0x3ff00).iotlb_register_offset == 0x3ff0);
  CHECK(!decode_intel(0, 0x1fULL << 35U).pasid_bits);  // without the PASID bit the width means nothing
  CHECK(decode_intel(0, 1ULL << 40U).pasid_bits == 1U);
  const auto all = decode_intel(~0ULL, ~0ULL);
  CHECK(all.pasid_bits == 32U);
  CHECK(all.max_handle_mask == 15);
}

TEST_CASE("An AMD unit's features are what the kernel printed of them: PPR X2APIC NX GT IA GA PC GA_vAPIC") {
  const auto found = decode_amd(0x206d73ef22254ade, 0);
  devbindd::sysfs::AmdFeatures expected;
  expected.page_requests = true;
  expected.x2apic = true;
  expected.no_execute = true;
  expected.guest_translation = true;
  expected.invalidate_all = true;
  expected.guest_apic = true;
  expected.performance_counters = true;
  expected.guest_virtual_apic = true;
  expected.host_levels = 6;
  expected.guest_levels = 4;
  expected.guest_cr3_levels = 2;
  expected.smi_filter = 1;
  expected.smi_filter_registers = 1;
  expected.dual_page_request_log = 2;
  expected.dual_event_log = 2;
  expected.pasid_bits = 16;
  expected.user_supervisor = true;
  expected.device_table_segments = 8;
  expected.page_request_overflow_early = true;
  expected.page_request_auto_response = true;
  expected.block_stop_mark = true;
  expected.performance_optimization = true;
  expected.msi_capability_mmio = true;
  expected.guest_io_protection = true;
  expected.enhanced_page_requests = true;
  expected.attribute_forward = true;
  expected.invalidate_iotlb_type = true;
  expected.guest_apic_update_disable = true;
  CHECK(found == expected);
  const auto older = decode_amd(0x4f77ef22294ada, 0);  // "PPR NX GT IA GA PC GA_vAPIC"
  CHECK((!older.prefetch && older.page_requests && !older.x2apic && older.no_execute && older.guest_translation));
  CHECK((older.invalidate_all && older.guest_apic && !older.hardware_error_registers && older.performance_counters));
  CHECK(older.guest_virtual_apic);
}

TEST_CASE("Each bit of AMD's EFR stands for one thing") {
  using Features = devbindd::sysfs::AmdFeatures;
  const auto [position, member] =
      GENERATE(table<unsigned, bool Features::*>({{0U, &Features::prefetch},
                                                  {1U, &Features::page_requests},
                                                  {2U, &Features::x2apic},
                                                  {3U, &Features::no_execute},
                                                  {4U, &Features::guest_translation},
                                                  {5U, &Features::guest_physical_interrupts},
                                                  {6U, &Features::invalidate_all},
                                                  {7U, &Features::guest_apic},
                                                  {8U, &Features::hardware_error_registers},
                                                  {9U, &Features::performance_counters},
                                                  {21U, &Features::guest_virtual_apic},
                                                  {31U, &Features::secure_ats},
                                                  {37U, &Features::user_supervisor},
                                                  {40U, &Features::page_request_overflow_early},
                                                  {41U, &Features::page_request_auto_response},
                                                  {44U, &Features::block_stop_mark},
                                                  {45U, &Features::performance_optimization},
                                                  {46U, &Features::msi_capability_mmio},
                                                  {48U, &Features::guest_io_protection},
                                                  {49U, &Features::host_accessed},
                                                  {50U, &Features::enhanced_page_requests},
                                                  {51U, &Features::attribute_forward},
                                                  {52U, &Features::host_dirty},
                                                  {54U, &Features::invalidate_iotlb_type},
                                                  {55U, &Features::virtual_iommu},
                                                  {61U, &Features::guest_apic_update_disable},
                                                  {62U, &Features::force_physical_destination},
                                                  {63U, &Features::secure_nested_paging}}));
  CAPTURE(position);
  auto expected = decode_amd(0, 0);
  expected.*member = true;
  CHECK(decode_amd(1ULL << position, 0) == expected);
}

TEST_CASE("The numbers in AMD's registers, and EFR2") {
  const auto none = decode_amd(0, 0);
  CHECK(none.host_levels == 4U);
  CHECK(none.guest_levels == 4U);
  CHECK(none.guest_cr3_levels == 1U);
  CHECK(none.pasid_bits == 1);
  CHECK(none.device_table_segments == 1);
  const auto all = decode_amd(~0ULL, 0);
  CHECK(!all.host_levels);  // the fourth encoding is reserved
  CHECK(!all.guest_levels);
  CHECK(!all.guest_cr3_levels);
  CHECK(all.pasid_bits == 32);
  CHECK(all.memory_access_routing == 3);
  CHECK(!all.trusted_io);
  CHECK(decode_amd(0, 0x2).trusted_io);
  CHECK(decode_amd(0, 0x8).guest_cr3_root_mode);
  CHECK(decode_amd(0, 0x20).snp_virtual_apic);
  CHECK(!decode_amd(0, 0x40).snp_virtual_apic);
  CHECK(decode_amd(0, 0x100).remap_2048_interrupts);
  CHECK(!decode_amd(0, 0x200).remap_2048_interrupts);
}

TEST_CASE("AMD's features file holds one register or two, in either order") {
  const auto [text, efr2] =
      GENERATE(table<std::string, std::optional<std::uint64_t>>({{"206d73ef22254ade", std::nullopt},
                                                                 {"206d73ef22254ade:0", 0},
                                                                 {"206d73ef22254ade:10", 0x10},
                                                                 {"10:206d73ef22254ade", 0x10},  // up to kernel 6.6
                                                                 {"0:206d73ef22254ade", 0}}));
  CAPTURE(text);
  auto kernel = with_unit("ivhd0", "amd-iommu/features", text + "\n");
  kernel.set_file("sys/class/iommu/ivhd0/amd-iommu/cap", "190b640f\n");
  const auto unit = only_unit(kernel);
  CHECK(!unit.intel);
  REQUIRE(unit.amd);
  CHECK(unit.amd->cap == 0x190b640fU);
  CHECK(unit.amd->efr == 0x206d73ef22254adeU);
  CHECK(unit.amd->efr2 == efr2);
  CHECK(unit.amd->features == decode_amd(0x206d73ef22254ade, efr2.value_or(0)));
}

TEST_CASE("An AMD features file that makes no sense is absent") {
  const auto text =
      GENERATE(values<std::string>({"", ":", "206d73ef22254ade:", ":0", "x", "1:2:3", "0x206d73ef22254ade"}));
  CAPTURE(text);
  auto kernel = with_unit("ivhd0", "amd-iommu/features", text);
  kernel.set_file("sys/class/iommu/ivhd0/amd-iommu/cap", "1ffffffff");
  const auto unit = only_unit(kernel);
  REQUIRE(unit.amd);
  CHECK(!unit.amd->cap);  // more than 32 bits
  CHECK(!unit.amd->efr);
  CHECK(!unit.amd->efr2);
  CHECK(!unit.amd->features);
}

}  // namespace devbindd::iommu_unit_test
