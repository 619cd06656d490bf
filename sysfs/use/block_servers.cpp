// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/block_servers.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_servers = 4096;
const std::string configuration = "sys/kernel/config";
const std::string nvme_target = configuration + "/nvmet/subsystems/";
const std::string scsi_target = configuration + "/target/core/";
const std::string usb_gadgets = configuration + "/usb_gadget/";

std::string text_of(const Tree& tree, const std::string& path) { return tree.read(path).value_or(""); }

std::vector<std::string> names_in(const Tree& tree, const std::string& path) {
  return tree.list(path).value_or(std::vector<std::string>{});
}

// What stands after the word, up to the next blank or the end of the line.
std::string word_after(std::string_view text, std::string_view word) {
  const auto at = text.find(word);
  if (at == std::string_view::npos) return {};
  const auto words = words_of(text.substr(at + word.size(), text.find('\n', at) - at - word.size()));
  return words.empty() ? std::string{} : std::string(words.front());
}

struct ServerReader {
  const Tree& tree;
  std::vector<BlockServer> servers = {};

  // The host's names are those of pid 1: a service has a /tmp of its own.
  std::optional<NodeStatus> status_of(const std::string& path) const {
    if (!path.starts_with('/')) return std::nullopt;
    const auto host = tree.status("proc/1/root" + path);
    if (host && *host) return *host;
    return tree.status(path.substr(1)).value_or(std::nullopt);
  }

  void add(std::string what, const std::string& backing, std::optional<std::string> device = {}) {
    if (backing.empty() || servers.size() >= most_servers) return;
    BlockServer server{.what = std::move(what), .backing = backing, .device = std::move(device)};
    const auto status = status_of(backing);
    if (status && (status->block_device || status->character_device)) {
      server.node = DeviceNumber{status->major, status->minor};
      server.block = status->block_device;
    }
    servers.push_back(std::move(server));
  }

  void add_nvme_target() {
    for (const auto& subsystem : names_in(tree, nvme_target)) {
      const auto directory = nvme_target + subsystem;
      for (const auto& number : names_in(tree, directory + "/namespaces")) {
        const auto name_space = directory + "/namespaces/" + number;
        if (text_of(tree, name_space + "/enable") == "1")
          add("namespace " + number + " of the NVMe target " + subsystem, text_of(tree, name_space + "/device_path"));
      }
      if (text_of(tree, directory + "/passthru/enable") == "1")
        add("the NVMe target " + subsystem, text_of(tree, directory + "/passthru/device_path"));
    }
  }

  // A back end says by itself what it has; a name that was only noted (udev_path) counts where it does not.
  void add_back_end(const std::string& adapter, const std::string& name) {
    const auto directory = scsi_target + adapter + "/" + name;
    const auto info = text_of(tree, directory + "/info");
    if (info.empty()) return;
    BlockServer server{.what = "the SCSI target's back end " + adapter + "/" + name};
    server.backing = word_after(info, "File:");
    if (server.backing.empty()) server.backing = word_after(info, "UDEV PATH:");
    if (server.backing.empty()) server.backing = text_of(tree, directory + "/udev_path");
    const auto number = number_in(info);
    if (!number) return add(server.what, server.backing);
    server.node = *number;
    server.block = true;
    servers.push_back(std::move(server));
  }

  // "Major: 259 Minor: 0" of iblock; "Channel ID: 0 Target ID: 1 LUN: 0 Host ID: 6" of pscsi.
  std::optional<DeviceNumber> number_in(const std::string& info) const {
    const auto major = number_from<std::uint32_t>(word_after(info, "Major:"));
    const auto minor = number_from<std::uint32_t>(word_after(info, "Minor:"));
    if (major && minor && (*major != 0 || *minor != 0)) return DeviceNumber{*major, *minor};
    const auto host = word_after(info, "Host ID:");
    if (host.empty()) return std::nullopt;
    const auto device = "sys/class/scsi_device/" + host + ":" + word_after(info, "Channel ID:") + ":" +
                        word_after(info, "Target ID:") + ":" + word_after(info, "LUN:") + "/device/block";
    for (const auto& disk : names_in(tree, device)) {
      if (const auto number = device_number_from(text_of(tree, device + "/" + disk + "/dev"))) return number;
    }
    return std::nullopt;
  }

  void add_scsi_target() {
    for (const auto& adapter : names_in(tree, scsi_target)) {
      for (const auto& name : names_in(tree, scsi_target + adapter)) add_back_end(adapter, name);
    }
  }

  void add_luns(const std::string& function, const std::string& what) {
    for (const auto& lun : names_in(tree, function)) {
      if (lun.starts_with("lun")) add(lun + " of " + what, text_of(tree, function + "/" + lun + "/file"));
    }
  }

  // By configfs, and as the older g_mass_storage has them.
  void add_gadgets() {
    for (const auto& gadget : names_in(tree, usb_gadgets)) {
      for (const auto& function : names_in(tree, usb_gadgets + gadget + "/functions")) {
        if (function.starts_with("mass_storage."))
          add_luns(usb_gadgets + gadget + "/functions/" + function, "the USB gadget " + gadget);
      }
    }
    for (const auto& controller : names_in(tree, "sys/class/udc")) {
      const auto device = "sys/class/udc/" + controller + "/device/";
      for (const auto& name : names_in(tree, device)) {
        if (name.starts_with("gadget")) add_luns(device + name, "the USB gadget on " + controller);
      }
    }
  }

  // Where the kernel writes its last messages when it dies. The device stands there as a path, as its number, or as the
  // UUID of a partition: fs/pstore/blk.c.
  void add_message_store() {
    if (text_of(tree, "sys/module/pstore/parameters/backend") != "pstore_blk") return;
    auto device = text_of(tree, "sys/module/pstore_blk/parameters/blkdev");
    BlockServer server{.what = "the kernel's store for its last messages (pstore)", .backing = device};
    server.node = device_number_from(device);
    server.block = server.node.has_value();
    if (server.node) return servers.push_back(std::move(server));
    constexpr std::string_view by_partition = "PARTUUID=";
    if (device.starts_with(by_partition)) device = "/dev/disk/by-partuuid/" + device.substr(by_partition.size());
    add(server.what, device);
  }

  void add_compressed_memory() {
    for (const auto& name : names_in(tree, "sys/block")) {
      if (!name.starts_with("zram")) continue;
      const auto backing = text_of(tree, "sys/block/" + name + "/backing_dev");
      if (backing.starts_with('/')) add(name, backing, name);
    }
  }
};

// Empty where the file system is not mounted: the kernel makes the directory.
std::string gap_of(const Tree& tree) {
  if (!names_in(tree, configuration).empty()) return {};
  constexpr std::array<std::string_view, 3> modules = {"nvmet", "target_core_mod", "libcomposite"};
  for (const auto module : modules) {
    if (exists(tree, "sys/module/" + std::string(module)))
      return "configfs is not mounted or may not be read, which would show what " + std::string(module) + " serves";
  }
  return {};
}

}  // namespace

BlockServers read_block_servers(const Tree& tree) {
  ServerReader reader{tree};
  reader.add_nvme_target();
  reader.add_scsi_target();
  reader.add_gadgets();
  reader.add_compressed_memory();
  reader.add_message_store();
  return {std::move(reader.servers), gap_of(tree)};
}

}  // namespace devbindd::sysfs
