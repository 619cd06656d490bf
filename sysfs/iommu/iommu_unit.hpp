// SPDX-License-Identifier: Apache-2.0
// The IOMMU units that the kernel uses (sys/class/iommu): what they are, which devices are behind each, and what the
// capability registers of Intel and AMD units say.
// Not here: the groups (iommu_group.hpp), and whether and why translation is on (iommu_state.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

enum class IommuKind { Intel, Amd, Smmu, SmmuV3, Virtio, RiscV, S390, Other };

/// "intel", "amd", "smmu", "smmu_v3", "virtio", "riscv", "s390", "other".
std::string_view name_of(IommuKind kind);

/// The capability (CAP) and extended capability (ECAP) registers of a VT-d unit, in their order. They say what the
/// hardware could do; what the kernel uses of it they do not say.
/// Source: Intel VT-d specification 11.4.2 and 11.4.3; drivers/iommu/intel/iommu.h.
struct IntelCapabilities {
  // CAP
  std::optional<unsigned> domains;           ///< ND: how many domain ids; nullopt for the reserved encoding
  bool advanced_fault_logging = false;       ///< AFL
  bool write_buffer_flush = false;           ///< RWBF: software must flush write buffers explicitly
  bool protected_low_memory = false;         ///< PLMR
  bool protected_high_memory = false;        ///< PHMR
  bool caching_mode = false;                 ///< CM: not-present entries are cached too; the mark of an emulated unit
  std::vector<unsigned> address_widths;      ///< SAGAW: bits of second-stage page tables: 39, 48, 57
  unsigned max_address_width = 0;            ///< MGAW + 1: bits of an address that a device may use
  bool zero_length_read = false;             ///< ZLR: also of write-only pages
  unsigned fault_register_offset = 0;        ///< FRO, in bytes
  bool second_stage_2m_pages = false;        ///< SLLPS bit 0
  bool second_stage_1g_pages = false;        ///< SLLPS bit 1
  bool page_selective_invalidation = false;  ///< PSI
  unsigned fault_registers = 0;              ///< NFR + 1
  unsigned max_address_mask = 0;             ///< MAMV: one invalidation covers at most 2^MAMV pages
  bool write_draining = false;               ///< DWD
  bool read_draining = false;                ///< DRD
  bool first_stage_1g_pages = false;         ///< FL1GP
  bool posted_interrupts = false;            ///< PI: interrupts go to a running guest without an exit
  bool first_stage_5_levels = false;         ///< FL5LP: 57-bit first-stage tables
  bool enhanced_commands = false;            ///< ECMDS
  bool set_interrupt_table_invalidates = false;  ///< ESIRTPS
  bool set_root_table_invalidates = false;       ///< ESRTPS
  // ECAP
  bool coherent = false;                     ///< C: the walk of page tables snoops the processors' caches
  bool queued_invalidation = false;          ///< QI
  bool device_tlb = false;                   ///< DT: address translation services of devices (ATS)
  bool interrupt_remapping = false;          ///< IR: the hardware is able to; see IommuState for whether it is used
  bool extended_interrupt_mode = false;      ///< EIM: 32-bit APIC ids (x2APIC)
  bool pass_through = false;                 ///< PT: identity domains without page tables
  bool snoop_control = false;                ///< SC: can force a device's accesses to be coherent
  unsigned iotlb_register_offset = 0;        ///< IRO, in bytes
  unsigned max_handle_mask = 0;              ///< MHMV: one invalidation covers at most 2^MHMV interrupt entries
  bool extended_context = false;             ///< ECS: the mode before scalable mode; no kernel uses it any more
  bool memory_type = false;                  ///< MTS
  bool nested = false;                       ///< NEST
  bool page_requests = false;                ///< PRS
  bool execute_requests = false;             ///< ERS
  bool supervisor_requests = false;          ///< SRS
  bool no_write_flag = false;                ///< NWFS
  bool extended_accessed_flag = false;       ///< EAFS
  bool process_address_spaces = false;       ///< PASID; usable in scalable mode only
  std::optional<unsigned> pasid_bits;        ///< PSS + 1; nullopt without PASID
  bool device_tlb_throttling = false;        ///< DIT
  bool page_request_drain = false;           ///< PDS
  bool scalable_mode = false;                ///< SMTS
  bool virtual_command = false;              ///< VCS
  bool second_stage_accessed_dirty = false;  ///< SLADS: dirty tracking for live migration
  bool second_stage = false;                 ///< SLTS, in scalable mode
  bool first_stage = false;                  ///< FLTS, in scalable mode
  bool scalable_walk_coherent = false;       ///< SMPWCS
  bool rid_pasid = false;                    ///< RPS
  bool performance_monitoring = false;       ///< PMS

  bool operator==(const IntelCapabilities&) const = default;
};

IntelCapabilities decode_intel(std::uint64_t cap, std::uint64_t ecap);

/// What sys/class/iommu/dmarN/intel-iommu says. A file that is missing or makes no sense leaves its member empty.
/// Source: Documentation/ABI/testing/sysfs-class-iommu-intel-iommu.
struct IntelFacts {
  std::optional<std::uint64_t> address;  ///< of the registers
  std::optional<std::string> version;    ///< "1:0": major and minor version of the architecture
  std::optional<std::uint64_t> cap;
  std::optional<std::uint64_t> ecap;
  std::optional<unsigned> domains_supported;
  std::optional<unsigned> domains_used;
  std::optional<IntelCapabilities> capabilities;  ///< where cap and ecap are known
};

/// The extended feature registers (EFR, EFR2) of an AMD unit.
/// Source: AMD I/O Virtualization Technology specification 3.4.8; drivers/iommu/amd/amd_iommu_types.h.
struct AmdFeatures {
  bool prefetch = false;                     ///< PreFSup
  bool page_requests = false;                ///< PPRSup
  bool x2apic = false;                       ///< XTSup
  bool no_execute = false;                   ///< NXSup
  bool guest_translation = false;            ///< GTSup: process address spaces
  bool guest_physical_interrupts = false;    ///< GAPPISup
  bool invalidate_all = false;               ///< IASup
  bool guest_apic = false;                   ///< GASup
  bool hardware_error_registers = false;     ///< HESup
  bool performance_counters = false;         ///< PCSup
  std::optional<unsigned> host_levels;       ///< HATS: levels of host page tables, 4 to 6; nullopt: reserved encoding
  std::optional<unsigned> guest_levels;      ///< GATS: levels of guest page tables; nullopt: reserved encoding
  std::optional<unsigned> guest_cr3_levels;  ///< GLXSup: levels of the table of process address spaces, 1 to 3
  unsigned smi_filter = 0;                   ///< SmiFSup
  unsigned smi_filter_registers = 0;         ///< SmiFRC, as encoded
  bool guest_virtual_apic = false;           ///< GAMSup: interrupts go to a running guest without an exit (AVIC)
  unsigned dual_page_request_log = 0;        ///< DualPprLogSup
  unsigned dual_event_log = 0;               ///< DualEventLogSup
  bool secure_ats = false;                   ///< SATSSup
  unsigned pasid_bits = 0;                   ///< PASmax + 1
  bool user_supervisor = false;              ///< USSup
  unsigned device_table_segments = 0;        ///< DevTblSegSup: at most so many, 1 to 8
  bool page_request_overflow_early = false;  ///< PprOvrflwEarlySup
  bool page_request_auto_response = false;   ///< PPRAutoRspSup
  unsigned memory_access_routing = 0;        ///< MarcSup, as encoded
  bool block_stop_mark = false;              ///< BlkStopMrkSup
  bool performance_optimization = false;     ///< PerfOptSup
  bool msi_capability_mmio = false;          ///< MsiCapMmioSup
  bool guest_io_protection = false;          ///< GIOSup
  bool host_accessed = false;                ///< HASup
  bool enhanced_page_requests = false;       ///< EPHSup
  bool attribute_forward = false;            ///< AttrFWSup
  bool host_dirty = false;                   ///< HDSup: dirty tracking for live migration
  bool invalidate_iotlb_type = false;        ///< InvIotlbTypeSup
  bool virtual_iommu = false;                ///< vIommuSup
  bool guest_apic_update_disable = false;    ///< GAUpdateDisSup
  bool force_physical_destination = false;   ///< ForcePhyDestSup
  bool secure_nested_paging = false;         ///< SNPSup
  // EFR2
  bool trusted_io = false;             ///< SevSnpIoSup
  bool guest_cr3_root_mode = false;    ///< GCR3TRPMode
  bool snp_virtual_apic = false;       ///< SnpAvicSup is 1
  bool remap_2048_interrupts = false;  ///< NumIntRemapSup is 1: for each device, instead of 512

  bool operator==(const AmdFeatures&) const = default;
};

/// `efr2` is 0 where there is none.
AmdFeatures decode_amd(std::uint64_t efr, std::uint64_t efr2);

/// What sys/class/iommu/ivhdN/amd-iommu says.
/// Source: Documentation/ABI/testing/sysfs-class-iommu-amd-iommu.
struct AmdFacts {
  std::optional<std::uint32_t> cap;  ///< the capability header: bit 24 IOTLB, 26 caches not-present entries, 27 EFR
  std::optional<std::uint64_t> efr;
  std::optional<std::uint64_t> efr2;  ///< the kernel prints one since it knows it
  std::optional<AmdFeatures> features;
};

struct IommuUnit {
  std::string name;  ///< "dmar0", "ivhd0", "smmu3.0x0000000009050000", "0000:00:02.0" (virtio)
  IommuKind kind = IommuKind::Other;
  std::vector<PciAddress> devices;         ///< behind it, ascending
  std::vector<std::string> other_devices;  ///< names of those that are no PCI devices
  std::optional<IntelFacts> intel;         ///< set for Intel's
  std::optional<AmdFacts> amd;             ///< set for AMD's
};

/// All units, "dmar2" before "dmar10". Empty where translation is off. Errors: Kernel.
/// Source: drivers/iommu/iommu-sysfs.c.
Result<std::vector<IommuUnit>> list_iommu_units(const Tree& tree);

/// When the kernel gives a device its IOMMU group.
enum class GroupTime {
  Never,          ///< no IOMMU is in use
  WhenFound,      ///< Intel's and AMD's, which know every device that comes
  AtFirstDriver,  ///< all others: the firmware's word on a device is looked up when a driver is bound for the first
                  ///< time
};

/// Of this host. Since Linux 6.15 all groups are given when the device is found: there AtFirstDriver says nothing
/// wrong, for a device without a group has no IOMMU then, and a bind to VFIO tells. Source: drivers/pci/pci-driver.c,
/// pci_dma_configure(); drivers/iommu/of_iommu.c, drivers/acpi/scan.c, acpi_iommu_configure_id(); seen with Linux 6.1
/// on ARM64 with an SMMUv3 and on x86 with a virtio-iommu.
GroupTime group_time(const Tree& tree);

}  // namespace devbindd::sysfs
