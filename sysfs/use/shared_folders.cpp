// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/shared_folders.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_shared_mounts = 8;  // of one share: containers see one file system at many places
constexpr std::uint32_t flash_major = 31;
constexpr std::string_view folders_driver = "vboxguest";
const std::string virtio_drivers = "sys/bus/virtio/drivers/";

// A transport of shares: who mounts one takes the module.
struct Transport {
  std::string_view driver;
  std::string_view module;
  std::string_view file_system;
};
constexpr Transport plan9{"9pnet_virtio", "9pnet_virtio", "9p"};
constexpr Transport virtiofs{"virtiofs", "virtiofs", "virtiofs"};

// The kernel prints the tag of a 9p share with the NUL at its end.
std::string tag_of_plan9(const Tree& tree, const std::string& device_path) {
  const auto text = tree.read(device_path + "/mount_tag").value_or("");
  return text.substr(0, text.find('\0'));
}

// "" on a kernel that does not tell it.
std::string tag_of_virtiofs(const Tree& tree, const std::string& device) {
  const std::string directory = "sys/fs/virtiofs";
  const auto names = tree.list(directory);
  for (const auto& name : names ? *names : std::vector<std::string>{}) {
    const auto link = link_name(tree, directory + "/" + name + "/device");
    if (link && *link == device) return tree.read(directory + "/" + name + "/tag").value_or("");
  }
  return {};
}

struct Shares {
  const Tree& tree;
  const MountTable& table;
  std::vector<Use> uses = {};

  // Whether any of the mounts was one of those.
  template <class Is>
  bool add_mounts(const std::string& name, Is is) {
    std::size_t found = 0;
    for (const auto& mount : table.mounts) {
      if (!is(mount) || ++found > most_shared_mounts) continue;
      Use use{.kind = UseKind::ShareMounted, .path = {name}, .subject = mount.point};
      if (mount.pid != 0) {
        const auto command = tree.read("proc/" + std::to_string(mount.pid) + "/comm").value_or("?");
        use.processes.push_back({mount.pid, command, mount.point});
      }
      uses.push_back(std::move(use));
    }
    return found > 0;
  }

  // The tags of every share of the host: another one of the same kind is not this one.
  std::set<std::string> tags(const Transport& transport) const {
    std::set<std::string> found;
    const auto directory = virtio_drivers + std::string(transport.driver);
    const auto names = tree.list(directory);
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
      if (name.starts_with("virtio")) found.insert(tag_of_plan9(tree, directory + "/" + name));
    }
    return found;
  }

  std::size_t shown(const Transport& transport) const {
    const auto known = transport.driver == plan9.driver ? tags(transport) : std::set<std::string>{};
    std::set<DeviceNumber> numbers;
    for (const auto& mount : table.mounts) {
      const bool other = !known.empty() && !known.contains(mount.source);
      if (mount.type == transport.file_system && !other) numbers.insert(mount.number);
    }
    return numbers.size();
  }

  // Whether some share of the kind is mounted where no mount table shows it; also when the kernel does not count.
  bool some_are_out_of_sight(const Transport& transport) const {
    const auto text = tree.read("sys/module/" + std::string(transport.module) + "/refcnt");
    const auto count = text ? number_from<std::size_t>(*text) : std::nullopt;
    return !count || *count > shown(transport);
  }

  void add_virtio(const Descendant& found, const Transport& transport) {
    const bool is_plan9 = transport.driver == plan9.driver;
    const auto tag = is_plan9 ? tag_of_plan9(tree, found.path) : tag_of_virtiofs(tree, found.name);
    const bool seen = add_mounts(found.name, [&](const Mount& mount) {
      return mount.type == transport.file_system && (tag.empty() || mount.source == tag);
    });
    if (!seen && some_are_out_of_sight(transport))
      uses.push_back({.kind = UseKind::ShareBound,
                      .path = {found.name},
                      .subject = std::string(transport.file_system) + (tag.empty() ? "" : " " + tag)});
  }

  void add_flash(const Descendant& found) {
    const auto number = found.name.starts_with("mtd") ? number_from<std::uint32_t>(found.name.substr(3)) : std::nullopt;
    if (!number) return;  // mtd0ro is the same flash
    add_mounts(found.name, [&](const Mount& mount) { return mount.number == DeviceNumber{flash_major, *number}; });
    const auto names = tree.list("sys/class/ubi");
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
      if (tree.read("sys/class/ubi/" + name + "/mtd_num").value_or("") != std::to_string(*number)) continue;
      add_mounts(found.name, [&](const Mount& mount) {
        return mount.type == "ubifs" && (mount.source.starts_with(name + "_") || mount.source.starts_with(name + ":"));
      });
      uses.push_back({.kind = UseKind::KernelUse, .path = {found.name}, .subject = "UBI has taken it as " + name});
    }
  }
};

// How a virtio device brings shares; nullptr for one that brings none.
const Transport* transport_of(const Tree& tree, const Descendant& found) {
  if (found.subsystem != "virtio" || !found.on_bus) return nullptr;
  const auto driver = link_name(tree, found.path + "/driver").value_or(std::nullopt).value_or("");
  if (driver == plan9.driver) return &plan9;
  return driver == virtiofs.driver ? &virtiofs : nullptr;
}

}  // namespace

bool may_have_shares(const Tree& tree, const std::string& driver, const std::vector<Descendant>& descendants) {
  return driver == folders_driver || std::ranges::any_of(descendants, [&tree](const Descendant& found) {
           return found.subsystem == "mtd" || transport_of(tree, found) != nullptr;
         });
}

std::vector<Use> share_uses(const Tree& tree, const std::string& driver, const std::vector<Descendant>& descendants,
                            const MountTable& table) {
  Shares shares{tree, table};
  if (driver == folders_driver)
    shares.add_mounts("vboxguest", [](const Mount& mount) { return mount.type == "vboxsf"; });
  for (const auto& found : descendants) {
    if (const auto* transport = transport_of(tree, found)) shares.add_virtio(found, *transport);
    if (found.subsystem == "mtd") shares.add_flash(found);
  }
  return std::move(shares.uses);
}

}  // namespace devbindd::sysfs
