// SPDX-License-Identifier: Apache-2.0
// A kernel in memory that behaves: writing `unbind` takes the driver link away, `driver_override` steers the next
// match, `new_id` grabs every unbound device of its kind, nodes below /dev/vfio come and go. Implements sysfs::Tree.
// Rules and errnos: drivers/base/bus.c, dd.c; drivers/pci/pci-driver.c; drivers/vfio/pci/vfio_pci_core.c.
// Single-threaded, never blocks by itself: who performs a write asks would_block() first (see fake_workers.hpp).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sysfs/device/vf_settings.hpp"
#include "sysfs/kernel/tree.hpp"
#include "sysfs/kernel/uevent.hpp"
#include "tests/fake_files.hpp"

namespace devbindd::tests {

/// One PCI function. The members below `runtime` are the kernel's; a test sets the others.
struct FakeDevice {
  std::string address = {};
  std::uint16_t vendor = 0x8086;
  std::uint16_t device = 0x10d3;
  std::uint16_t subsystem_vendor = 0x8086;
  std::uint16_t subsystem_device = 0x0001;
  std::uint32_t class_code = 0x020000;
  std::optional<unsigned> group = {};
  std::optional<std::string> driver = {};  ///< bound from the start
  std::optional<std::string> driver_override = {};
  std::vector<std::string> interfaces = {};  ///< shown while a kernel driver has the device
  /// What a kernel driver makes of it: class, and directory below the device's ("nvme", "nvme/nvme0").
  std::vector<std::pair<std::string, std::string>> class_devices = {};
  int numa_node = -1;
  std::string parent = {};                 ///< the bridge above it, "" for the root bus
  unsigned totalvfs = 0;                   ///< more than 0: an SR-IOV physical function
  std::optional<std::string> physfn = {};  ///< set on a virtual function
  std::string config = {};                 ///< configuration space; "": 256 bytes with the IDs above
  bool drivers_autoprobe = true;           ///< of a PF, for its VFs
  unsigned vf_offset = 0x80;               ///< of a PF: where its VFs come to sit
  unsigned vf_stride = 2;
  std::uint16_t vf_device = 0x10ca;
  /// Of a VF: what its PF's driver knows of it.
  std::string vf_settings = "mac 00:00:00:00:00:00 vlan 0 qos 0 proto 802.1Q";
  std::optional<int> reset_errno = {};  ///< what a write to `reset` answers; nullopt: there is no such file
  // runtime
  bool unbinding = false;   ///< an unbind of it hangs: the link is gone, the kernel is not done
  unsigned opens = 0;       ///< open VFIO descriptors
  std::uint64_t inode = 0;  ///< of its directory: no other device ever has it
  std::optional<unsigned> vfio_number = {};
  std::uint64_t node_inode = 0;  ///< of its VFIO nodes, which come anew with every binding
};

/// An ID as new_id takes it: struct pci_device_id of include/linux/mod_devicetable.h.
struct FakeId {
  static constexpr std::uint32_t any = 0xffffffff;  ///< PCI_ANY_ID

  std::uint32_t vendor = any;
  std::uint32_t device = any;
  std::uint32_t subsystem_vendor = any;
  std::uint32_t subsystem_device = any;
  std::uint32_t class_code = 0;
  std::uint32_t class_mask = 0;

  /// pci_match_one_device() of drivers/pci/pci.h.
  bool matches(const FakeId& other) const;
};

struct FakeDriver {
  std::string name = {};
  std::string module = {};  ///< "": the name with underscores
  std::vector<std::pair<std::uint16_t, std::uint16_t>> ids = {};
  bool override_only = false;  ///< the static IDs count only for an override that names the driver (VFIO drivers)
  bool manages_dma = false;    ///< never a reason against handing its group out
  bool bindable = true;
  // runtime
  std::vector<FakeId> dynamic_ids = {};
};

struct FakeDescriptor {
  std::string target = {};
  std::string info = {};  ///< fdinfo
};

struct FakeProcess {
  int pid = 0;
  std::string command = {};
  std::map<int, FakeDescriptor> descriptors = {};
  std::string maps = {};
};

/// One write that reached the kernel, and what the kernel answered.
struct FakeWrite {
  std::string path;
  std::string value;
  int errno_value = 0;

  bool operator==(const FakeWrite&) const = default;
};

class FakeKernel : public sysfs::Tree {
 public:
  FakeKernel();

  // --- the machine
  void add_device(FakeDevice device);
  void add_driver(FakeDriver driver);
  /// A module on disk: loading it registers `driver` (see load_module).
  void add_loadable(FakeDriver driver);
  void add_process(FakeProcess process);
  void set_file(const std::string& path, std::string content);
  /// `upper` (a bond, bridge or VLAN) stands on the interface `lower`.
  void stack_interface(const std::string& lower, const std::string& upper);
  void set_device_cdev(bool on) {
    change([&] { device_cdev_ = on; });
  }
  /// One more, of which the driver tells no VFs.
  void add_interface(const std::string& address, const std::string& name) {
    change([&] { devices_.at(address).interfaces.push_back(name); });
  }
  /// From now on it has the file `reset`, and this is what a reset answers; 0: it works.
  void give_reset(const std::string& address, int errno_value = 0) {
    change([&] { devices_.at(address).reset_errno = errno_value; });
  }
  /// vfio-pci's enable_sriov.
  void set_vfio_sriov(bool on) {
    change([&] { vfio_sriov_ = on; });
  }
  void set_noiommu_mode(bool on) {
    change([&] { noiommu_mode_ = on; });
  }
  /// Reading and writing driver_override takes the device lock, as on kernels up to 6.12: both hang during an unbind.
  void set_override_takes_lock(bool on) { override_takes_lock_ = on; }

  // --- what happens to it
  void remove_device(const std::string& address);
  /// A process opens the device through VFIO: from now on its unbind hangs.
  void open_device(const std::string& address, int pid, const std::string& command);
  void close_device(const std::string& address);
  void remove_process(int pid);
  sysfs::Result<> load_module(const std::string& name);

  // --- verbs to hurt. `n` counts writes that reach the kernel from now on; 1 is the next one.
  void fail_nth_write(std::size_t n, int errno_value);
  /// Runs `action` right before the n-th write takes effect.
  void before_nth_write(std::size_t n, std::function<void()> action);
  /// Every probe of the device by the driver fails. errno 0 ends it.
  void refuse_probe(const std::string& driver, const std::string& address, int errno_value);
  /// The driver of every PF refuses settings of its VFs. 0 ends it.
  void refuse_settings(int errno_value) { settings_errno_ = errno_value; }
  /// bind returns success, yet nothing is bound.
  void probe_lies(const std::string& driver, const std::string& address);
  /// A write of `value` to `path` ("" for every value, and for reads) does not return until unblock().
  void block(const std::string& path, const std::string& value = {});
  void unblock(const std::string& path, const std::string& value = {});

  // --- for whoever performs tasks on it
  bool would_block(std::string_view path, std::string_view value) const;
  /// What is visible of a write that has begun and does not return: an unbind takes the link away first.
  void hang(std::string_view path, std::string_view value);
  sysfs::UeventBatch drain_uevents() { return std::exchange(uevents_, {}); }
  void lose_uevents() { uevents_ = {.events = {}, .lost = true}; }

  // --- the driver of a PF, asked through its network interface
  std::map<unsigned, sysfs::VfSettings> vf_settings(const std::string& interface) const;
  /// An errno, 0 for success. Counts as a write.
  int set_vf_settings(const std::string& interface, unsigned index, const sysfs::VfSettings& settings);

  // --- looking at it
  const FakeDevice& device(const std::string& address) const { return devices_.at(address); }
  bool has_device(const std::string& address) const { return devices_.contains(address); }
  const FakeDriver* driver(const std::string& name) const;
  const std::vector<FakeWrite>& writes() const { return writes_; }
  void forget_writes() { writes_.clear(); }
  /// "DRIVER override OVERRIDE" by address, "-" for none: the state that a failed change must bring back.
  std::map<std::string, std::string> bindings() const;

  // --- sysfs::Tree
  sysfs::Result<std::string> read(std::string_view path, std::size_t limit = 4096) const override;
  sysfs::Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override;
  sysfs::Result<> write(std::string_view path, std::string_view value) override;
  sysfs::Result<std::optional<std::string>> link(std::string_view path) const override;
  sysfs::Result<std::vector<std::string>> list(std::string_view path) const override;
  sysfs::Result<std::optional<sysfs::NodeStatus>> status(std::string_view path) const override;

 private:
  template <class Action>
  void change(Action action) {
    action();
    files_.reset();
  }
  const FakeFiles& files() const;

  // fake_kernel_files.cpp: the model as files
  void show_device(FakeFiles& files, const FakeDevice& device) const;
  void show_binding(FakeFiles& files, const FakeDevice& device, const std::string& path) const;
  void show_driver(FakeFiles& files, const FakeDriver& driver) const;
  void show_groups(FakeFiles& files) const;
  void show_vfio_nodes(FakeFiles& files) const;
  void show_processes(FakeFiles& files) const;
  std::string device_path(const FakeDevice& device) const;

  // fake_kernel.cpp: what a write does; the answer is an errno, 0 for success
  int take_write(std::string_view path, const std::string& value);
  int perform_write(const std::string& path, const std::string& value);
  int write_to_driver(FakeDriver& driver, const std::string& file, const std::string& value);
  int bind(const FakeDriver& driver, const std::string& address);
  int unbind(const FakeDriver& driver, const std::string& address);
  int add_id(FakeDriver& driver, const std::string& value);
  int remove_id(FakeDriver& driver, const std::string& value);
  int probe_any(const std::string& address);
  int set_override(const std::string& address, const std::string& value);
  int set_autoprobe(const std::string& address, const std::string& value);
  int set_numvfs(const std::string& address, const std::string& value);
  void create_function(const FakeDevice& physical, unsigned index);
  void destroy_functions(const std::string& physical);
  std::vector<std::string> functions_behind(const std::string& interface) const;
  unsigned free_group() const;
  bool matches(const FakeDriver& driver, const FakeDevice& device) const;
  bool has_id(const FakeDriver& driver, const FakeId& id) const;
  std::size_t vfs_of(const std::string& address) const;
  bool autoprobe_off(const FakeDevice& device) const;
  bool group_in_use(const FakeDevice& device) const;
  int probe(const FakeDriver& driver, FakeDevice& device);
  unsigned free_vfio_number() const;
  FakeDriver* find_driver(const std::string& name);
  bool bound_to_vfio(const FakeDevice& device) const;
  void announce(const std::string& action, const FakeDevice& device);

  std::map<std::string, FakeDevice> devices_;
  std::vector<FakeDriver> drivers_;  ///< in the order of registration, in which the kernel asks them
  std::map<std::string, FakeDriver> loadable_;
  std::map<int, FakeProcess> processes_;
  std::map<std::string, std::string> extra_files_;
  std::vector<std::pair<std::string, std::string>> stacked_;
  bool device_cdev_ = false;
  bool noiommu_mode_ = false;
  bool vfio_sriov_ = false;
  bool override_takes_lock_ = false;
  int settings_errno_ = 0;

  std::vector<FakeWrite> writes_;
  std::size_t write_count_ = 0;
  std::uint64_t next_inode_ = 1000;
  std::map<std::size_t, int> failing_writes_;
  std::map<std::size_t, std::function<void()>> actions_;
  std::map<std::pair<std::string, std::string>, int> refused_probes_;
  std::set<std::pair<std::string, std::string>> lying_probes_;
  std::set<std::pair<std::string, std::string>> blocked_;
  sysfs::UeventBatch uevents_;
  mutable std::optional<FakeFiles> files_;
};

/// Whether a driver of that name is one of VFIO's.
bool fake_is_vfio(const std::string& driver);

/// The drivers that the tests' machines know: e1000e (8086:10d3), igb (8086:10c9), nvme (8086:0953), pcieport, and
/// vfio-pci with vfio itself.
void add_usual_drivers(FakeKernel& kernel);

}  // namespace devbindd::tests
