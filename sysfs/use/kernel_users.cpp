// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/kernel_users.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_cipher_bytes = 1U << 20U;

// What the kernel may do with a device, which it shows nowhere. By the driver's name, or its beginning or end with a
// '*'.
struct Unseen {
  std::string_view driver;
  std::string_view what;
};
constexpr std::array<Unseen, 23> unseen = {{
    {"*_edac", "the kernel's reports of memory errors (EDAC) come from it"},
    {"intel_pch_thermal", "the kernel's thermal control reads it"},
    {"proc_thermal*", "the kernel's thermal control reads it"},
    {"k10temp", "the kernel's thermal control reads it"},
    {"i801_smbus", "drivers on its SMBus (sensors, memory modules, a BMC) use it"},
    {"piix4_smbus", "drivers on its SMBus (sensors, memory modules, a BMC) use it"},
    {"ismt_smbus", "drivers on its SMBus (sensors, memory modules, a BMC) use it"},
    {"lpc_ich", "the devices behind the LPC bridge use it"},
    {"ipmi_si*", "the kernel tells the BMC about panics and power, and the BMC watches the host"},
    {"mei_me", "the firmware's management engine is reached by it"},
    {"ccp", "the security processor keeps keys of encrypted guests, and may be the host's TPM"},
    {"isst_if*", "the kernel's power control uses it"},
    {"intel_vsec", "telemetry of the platform comes from it"},
    {"thunderbolt", "tunnels to devices on the Thunderbolt bus are set up by it"},
    {"ntb_hw*", "another host may have memory of this one mapped through it"},
    {"virtio_mem", "the hypervisor has given the host memory by it"},
    {"virtio_balloon", "the hypervisor takes memory from the host by it"},
    {"virtio_rng", "the kernel takes randomness from it"},
    {"vmw_vsock_virtio_transport", "sockets of AF_VSOCK go through it"},
    {"vmw_vmci", "sockets of AF_VSOCK go through it"},
    {"cxl_pci", "memory of the host may be on it"},
    {"pvpanic*", "the hypervisor is told of panics by it"},
    {"xen-platform-pci", "the devices that Xen gives this guest are reached by it"},
}};

bool fits(std::string_view pattern, std::string_view driver) {
  if (pattern.starts_with('*')) return driver.ends_with(pattern.substr(1));
  if (pattern.ends_with('*')) return driver.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == driver;
}

std::string driver_of(const Tree& tree, const Descendant& found) {
  return link_name(tree, found.path + "/driver").value_or(std::nullopt).value_or("");
}

// "name : cbc(aes)", "driver : virtio_crypto_aes_cbc", "module : virtio_crypto", "refcnt : 2", an empty line.
std::vector<std::string> taken_ciphers(const Tree& tree, const std::string& module) {
  std::vector<std::string> taken;
  std::string_view driver;
  bool is_its_own = false;
  const auto text = tree.read("proc/crypto", most_cipher_bytes).value_or("");
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    if (words.size() != 3) continue;
    if (words[0] == "name") is_its_own = false;
    if (words[0] == "driver") driver = words[2];
    if (words[0] == "module") is_its_own = words[2] == module;
    const auto count = words[0] == "refcnt" ? number_from<int>(words[2]) : std::nullopt;
    if (is_its_own && count && *count > 1) taken.emplace_back(driver);
  }
  return taken;
}

bool is_quick_assist(std::string_view driver) {
  constexpr std::array<std::string_view, 7> names = {"qat_*",  "4xxx*", "420xx*",   "c3xxx*",
                                                     "c4xxx*", "c6xx*", "dh895xcc*"};
  return std::ranges::any_of(names, [driver](std::string_view pattern) { return fits(pattern, driver); });
}

// The modules that register the ciphers of a processor with such a driver; none for what is no such processor.
std::vector<std::string> cipher_modules(const std::string& driver) {
  if (is_quick_assist(driver)) return {"intel_qat"};
  if (driver == "ccp") return {"ccp_crypto"};
  if (driver == "cxgb4") return {"chcr"};
  if (driver == "virtio_crypto" || driver.starts_with("hisi_")) return {driver};
  return {};
}

struct Users {
  const Tree& tree;
  std::vector<Use> uses = {};

  void add(UseKind kind, const std::string& name, std::string what) {
    Use use{.kind = kind, .subject = std::move(what)};
    if (!name.empty()) use.path.push_back(name);
    uses.push_back(std::move(use));
  }

  // `name`: whose driver it is; "" for the function's own.
  void add_by_driver(const std::string& name, const std::string& driver) {
    for (const auto& [pattern, what] : unseen) {
      if (fits(pattern, driver)) add(UseKind::KernelMayUse, name, std::string(what));
    }
    for (const auto& module : cipher_modules(driver)) {
      for (const auto& cipher : taken_ciphers(tree, module))
        add(UseKind::KernelUse, name, "the kernel encrypts with " + cipher);
    }
  }

  void add_fan(const Descendant& found) {
    const auto names = tree.list(found.path);
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
      if (name.starts_with("pwm") && name.ends_with("_enable") &&
          tree.read(found.path + "/" + name).value_or("") == "1")
        add(UseKind::KernelUse, found.name, "a fan is controlled by hand (" + name + ")");
    }
  }

  // drivers/usb/usbip/stub_dev.c, usbip_status_show: 1 offered, 2 taken, 3 broken.
  void add_remote_usb(const Descendant& found) {
    const auto status = tree.read(found.path + "/usbip_status").value_or("");
    if (status == "2") add(UseKind::KernelUse, found.name, "another host has taken it (USB/IP)");
    if (status == "1") add(UseKind::KernelMayUse, found.name, "it is offered to other hosts (USB/IP)");
  }

  // One that was started goes on when it is closed without the magic letter, or with nowayout: it resets the host when
  // nobody tends it. Some stand below no device, so that only their nodes tell whose they are.
  void add_watchdog(const OwnedNode& node) {
    if (!node.node.starts_with("/dev/watchdog") || node.path.empty()) return;
    if (tree.read("sys/class/watchdog/" + node.path.back() + "/state").value_or("") != "active") return;
    const Use use{.kind = UseKind::KernelUse, .path = node.path, .subject = "the watchdog runs and watches the host"};
    if (std::ranges::find(uses, use) == uses.end()) uses.push_back(use);
  }

  // kgdboc=ttyS4,115200 or kgdboc=kbd,ttyS4: drivers/tty/serial/kgdboc.c.
  void add_debugger(const Descendant& found) {
    auto terminals = tree.read("sys/module/kgdboc/parameters/kgdboc").value_or("");
    std::ranges::replace(terminals, ',', ' ');
    const auto words = words_of(terminals);
    if (std::ranges::find(words, found.name) != words.end())
      add(UseKind::KernelUse, found.name, "the kernel's debugger waits at it (kgdboc)");
  }

  // The kernel itself speaks through a terminal, which no process has open: drivers/accessibility/speakup/spk_ttyio.c.
  void add_speech(const Descendant& found) {
    const auto voice = tree.read("sys/accessibility/speakup/synth").value_or("");
    if (voice.empty() || voice == "none") return;
    const auto parameters = "sys/module/speakup_" + voice + "/parameters/";
    auto terminal = tree.read(parameters + "dev").value_or("");
    if (terminal.empty() || terminal == "(null)") terminal = "ttyS" + tree.read(parameters + "ser").value_or("");
    if (terminal == found.name) add(UseKind::KernelUse, found.name, "the host's console is read aloud by it (speakup)");
  }

  // A sensor, a memory chip, a touchpad or the firmware's flash at a bus of the function.
  void add_client(const Descendant& found) {
    const auto its_own = driver_of(tree, found);
    if (!its_own.empty())
      add(UseKind::KernelMayUse, found.name, "the driver " + its_own + " has the device " + found.name + " at its bus");
  }

  // drivers/dma/idxd/sysfs.c, wq_clients_show: processes, DMA channels and ciphers that have the queue.
  void add_queue(const Descendant& found) {
    const auto count = number_from<int>(tree.read(found.path + "/clients").value_or("")).value_or(0);
    if (count > 0) add(UseKind::KernelUse, found.name, "its work queue has " + std::to_string(count) + " clients");
  }

  // A connection is a device below its adapter, "hci0:256": net/bluetooth/hci_sysfs.c.
  void add_connection(const Descendant& found) {
    if (found.name.find(':') != std::string::npos)
      add(UseKind::KernelUse, found.name, "a Bluetooth device is connected by it");
  }

  void add_by_class(const Descendant& found) {
    if (found.on_bus && (found.subsystem == "i2c" || found.subsystem == "spi")) add_client(found);
    if (found.subsystem == "dsa" && found.name.starts_with("wq")) add_queue(found);
    if (found.subsystem == "bluetooth") add_connection(found);
    // drivers/dax/kmem.c: its pages are the system's.
    if (found.subsystem == "dax" && driver_of(tree, found) == "kmem")
      add(UseKind::KernelUse, found.name, "its memory is memory of the host");
    if (found.subsystem == "tty") {
      add_speech(found);
      add_debugger(found);
    }
    if (found.subsystem == "usb") add_remote_usb(found);
    if (found.subsystem == "iommu") add(UseKind::KernelUse, found.name, "it is an IOMMU, which other devices need");
    if (found.subsystem == "tpm") add(UseKind::KernelUse, found.name, "it is the host's TPM");
    if (found.subsystem == "hwmon") add_fan(found);
    if (found.subsystem == "udc" && !tree.read(found.path + "/function").value_or("").empty())
      add(UseKind::KernelUse, found.name, "a USB gadget has taken the device controller");
    if (found.subsystem == "dma" && number_from<int>(tree.read(found.path + "/in_use").value_or("")).value_or(0) > 0)
      add(UseKind::KernelMayUse, found.name, "a driver of the kernel has taken the DMA channel " + found.name);
  }
};

// An auxiliary device is a subfunction by its name: "mlx5_core.sf.2"; others are parts of the function itself.
bool is_subfunction(const Descendant& found) {
  return found.subsystem == "auxiliary" && found.name.find(".sf.") != std::string::npos;
}

}  // namespace

std::vector<Use> kernel_uses(const Tree& tree, const std::string& driver, const std::vector<Descendant>& descendants,
                             const std::vector<OwnedNode>& nodes, const std::vector<BlockServer>& servers) {
  Users users{tree};
  users.add_by_driver("", driver);
  for (const auto& found : descendants) {
    users.add_by_class(found);
    if (!found.on_bus) continue;
    if (const auto its_own = driver_of(tree, found); !its_own.empty()) users.add_by_driver(found.name, its_own);
  }
  for (const auto& node : nodes) {
    users.add_watchdog(node);
    for (const auto& server : servers) {
      if (!node.block && !server.block && server.node == node.number)
        users.uses.push_back({.kind = UseKind::Served, .path = node.path, .subject = server.what});
    }
  }
  return std::move(users.uses);
}

std::string unseen_users(const std::vector<Descendant>& descendants) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> classes = {{
      {"infiniband", "contexts of its RDMA device that no open node shows (NFS, iSER, NVMe and SMC over RDMA)"},
      {"drm", "buffers of its display that others have by a DMA-BUF while its node is closed"},
      {"gpio", "lines of its GPIO chip that a process or a driver has while its node is closed"},
      {"iio", "events and buffers of its sensor that a process has while its node is closed"},
  }};
  std::string text;
  for (const auto& [subsystem, gap] : classes) {
    if (std::ranges::find(descendants, subsystem, &Descendant::subsystem) == descendants.end()) continue;
    text += (text.empty() ? "" : "; ") + std::string(gap);
  }
  return text;
}

std::vector<Use> child_uses(const Tree& tree, const std::vector<Descendant>& descendants) {
  std::vector<Use> uses;
  for (const auto& found : descendants) {
    std::string what;
    if (found.subsystem == "mdev") what = "the mediated device " + found.name;
    if (found.subsystem == "vdpa" && found.on_bus) what = "the vDPA device " + found.name;
    if (is_subfunction(found)) what = "the subfunction " + found.name;
    if (what.empty()) continue;
    const auto driver = driver_of(tree, found);
    if (!driver.empty()) what += " (driver " + driver + ")";
    uses.push_back({.kind = UseKind::Child, .path = {found.name}, .subject = std::move(what)});
  }
  return uses;
}

}  // namespace devbindd::sysfs
