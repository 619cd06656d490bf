// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/process_files.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "sysfs/use/mounts.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_descriptors = 4U << 20U;
constexpr std::size_t most_maps_bytes = 8U << 20U;
constexpr std::size_t most_mount_bytes = 16U << 20U;

bool lies_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

// Names that no node has: the mass of shared mappings is memory.
bool is_memory(std::string_view path) {
  constexpr std::array<std::string_view, 7> names = {
      "/dev/shm/", "/dev/zero", "/dev/hugepages/", "/memfd:", "/SYSV", "/dmabuf:", "/[aio]"};
  return std::ranges::any_of(names, [path](std::string_view name) { return path.starts_with(name); });
}

bool starts_like_a_resource(std::string_view path) { return path.substr(path.rfind('/') + 1).starts_with("resource"); }

// "00.0"
bool ends_like_a_function(std::string_view path) { return path.size() > 4 && path[path.size() - 2] == '.'; }

// A process has hundreds of mappings, nearly all of them private ones of programs and libraries.
bool may_be_of_a_device(std::string_view line) {
  const auto rights = line.find(' ') + 1;
  const auto name = line.find('/', rights);
  if (name == std::string_view::npos || rights + 4 > name) return false;
  const auto path = line.substr(name);
  if (line[rights + 3] == 's') return !is_memory(path);
  return path.starts_with("/dev/") || path.ends_with("/mem") || starts_like_a_resource(path) ||
         ends_like_a_function(path);
}

struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  bool shared = false;
  std::string_view path = {};
};

// "7f5c1a2b3000-7f5c1a2d3000 rw-s 00000000 00:16 30211    /sys/devices/.../resource0"; anonymous ones have no name.
std::optional<Mapping> mapping_from(std::string_view line) {
  const auto name = line.find('/');
  if (name == std::string_view::npos) return std::nullopt;
  const auto words = words_of(line.substr(0, name));
  if (words.size() != 5 || words[1].size() != 4) return std::nullopt;
  const auto dash = words[0].find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto start = number_from<std::uint64_t>(words[0].substr(0, dash), 16);
  const auto end = number_from<std::uint64_t>(words[0].substr(dash + 1), 16);
  const auto offset = number_from<std::uint64_t>(words[2], 16);
  if (!start || !end || !offset || *end < *start) return std::nullopt;
  return Mapping{*start, *end, *offset, words[1][3] == 's', line.substr(name)};
}

// The names in map_files have no leading zeros.
std::string name_in_map_files(const Mapping& mapping) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%llx-%llx", static_cast<unsigned long long>(mapping.start),
                static_cast<unsigned long long>(mapping.end));
  return text.data();
}

// It has neither memory nor open files of its own. Its name cannot say so: any process may take that name, and write
// brackets into it. PF_KTHREAD of include/linux/sched.h is in field 9 of proc_pid_stat(5), the seventh behind the name.
bool is_kernel_thread(std::string_view stat) {
  constexpr std::uint64_t kernel_thread = 0x00200000;
  const auto end_of_name = stat.rfind(')');
  if (end_of_name == std::string_view::npos) return false;
  const auto words = words_of(stat.substr(end_of_name + 1));
  return words.size() > 6 && (number_from<std::uint64_t>(words[6], 10).value_or(0) & kernel_thread) != 0;
}

class Pass {
 public:
  Pass(const Tree& tree, const std::function<void(const ProcessFile&)>& visit)
      : tree_(tree), visit_(visit), of_kthreadd_(kernel_threads(tree)) {}

  void look_at(std::int32_t pid, const std::string& process) {
    if (seen.descriptors >= most_descriptors) {
      ++seen.unread;
      return;
    }
    if (is_without_files(pid, process)) return;
    file_ = {.pid = pid, .process = process};
    hidden_ = false;
    points_ = nullptr;
    if (look_into(process)) look_at_threads(process);
    if (hidden_) ++seen.hidden;
  }

  ProcessesSeen seen = {};

 private:
  // A host has more kernel threads than processes, and a link is read in a quarter of the time of a file. A child of
  // kthreadd that has a program is one that the kernel has started (modprobe). One that began meanwhile shows nothing.
  bool is_without_files(std::int32_t pid, const std::string& process) const {
    if (of_kthreadd_.contains(pid)) {
      const auto program = tree_.link(process + "/exe");
      return program && !*program;
    }
    if (!of_kthreadd_.empty()) return false;
    const auto stat = tree_.read(process + "/stat");
    return stat && is_kernel_thread(*stat);
  }

  // Whether it shows nothing at all, as a thread that has ended while others go on.
  bool look_into(const std::string& directory) {
    const auto links = tree_.links(directory + "/fd", most_descriptors - seen.descriptors);
    if (!links) return failed(links.error());
    seen.descriptors += links->size();
    for (const auto& link : *links) look_at_descriptor(directory + "/fd/" + link.name, link.target);
    const auto maps = tree_.read(directory + "/maps", most_maps_bytes);
    if (!maps) return failed(maps.error());
    if (maps->size() >= most_maps_bytes) hidden_ = true;
    for (const auto line : lines_of(*maps)) {
      if (!may_be_of_a_device(line)) continue;
      if (const auto mapping = mapping_from(line)) look_at_mapping(directory, *mapping);
    }
    return links->empty() && maps->empty();
  }

  // Gone, or hidden from us.
  bool failed(const Error& error) {
    hidden_ = hidden_ || error.errno_value == EACCES || error.errno_value == EPERM;
    return false;
  }

  void look_at_threads(const std::string& process) {
    const auto threads = tree_.list(process + "/task");
    if (!threads || threads->size() < 2) return;
    for (const auto& thread : *threads) {
      if (process != "proc/" + thread && !look_into(process + "/task/" + thread)) return;  // the rest shares it
    }
  }

  void look_at_descriptor(const std::string& link, const std::string& target) {
    if (target == "anon_inode:[io_uring]") return look_at_registered(link);
    if (!target.starts_with('/')) return;  // sockets, pipes and their like
    if (target == "/dev/null") return;     // three of each daemon's
    auto file = file_;
    file.path = target;
    file.function = function_of_resource_file(target);
    if (file.function) {
      file.descriptor = link;
      return visit_(file);
    }
    tell_node(link, std::move(file));
  }

  // Files that are registered with a ring stay open when their descriptors are closed. The kernel tells their names
  // alone, and none at all while the ring is busy: io_uring/fdinfo.c.
  void look_at_registered(const std::string& link) {
    const auto directory = link.rfind("/fd/");
    const auto info = tree_.read(link.substr(0, directory) + "/fdinfo" + link.substr(directory + 3), most_maps_bytes);
    if (!info) return static_cast<void>(failed(info.error()));
    std::size_t expected = 0;
    std::size_t told = 0;
    for (const auto line : lines_of(*info)) {
      const auto words = words_of(line);
      if (words.size() != 2) continue;
      if (words[0] == "UserBufs:") break;  // numbered likewise
      if (words[0] == "UserFiles:") {
        expected = number_from<std::size_t>(words[1]).value_or(0);
      } else if (told < expected && words[0].ends_with(':') &&
                 number_from<unsigned>(words[0].substr(0, words[0].size() - 1))) {
        ++told;
        auto file = file_;
        file.path = words[1];
        file.registered = true;
        if (file.path != "<none>") visit_(file);
      }
    }
    if (told == 0 && expected > 0) hidden_ = true;
  }

  void look_at_mapping(const std::string& directory, const Mapping& mapping) {
    auto file = file_;
    file.path = mapping.path;
    file.mapped = true;
    file.offset = mapping.offset;
    file.length = mapping.end - mapping.start;
    file.function = function_of_resource_file(file.path);
    if (!file.function) file.function = function_of_proc_file(file.path);
    if (file.function) return visit_(file);
    // Of the private ones nearly all are programs and libraries.
    const bool may_be_node = mapping.shared || file.path.starts_with("/dev/") || file.path.ends_with("/mem");
    if (!may_be_node || is_memory(file.path)) return;
    tell_node(directory + "/map_files/" + name_in_map_files(mapping), std::move(file));
  }

  // `link` leads to the file.
  void tell_node(const std::string& link, ProcessFile file) {
    if (may_hang(file.path)) return;
    const auto status = tree_.status(link);
    if (!status) failed(status.error());
    if (!status || !*status || (!(*status)->block_device && !(*status)->character_device)) return;
    file.number = DeviceNumber{(*status)->major, (*status)->minor};
    file.block = (*status)->block_device;
    if (!file.mapped) file.descriptor = link;
    visit_(file);
  }

  bool may_hang(const std::string& path) {
    if (path.starts_with("/dev/")) return false;
    if (points_ == nullptr) points_ = &remote_points();
    return std::ranges::any_of(*points_, [&path](const std::string& point) { return lies_below(path, point); });
  }

  // Where the process has file systems that may not answer: read once for all that share its mount namespace.
  const std::vector<std::string>& remote_points() {
    const auto name = tree_.link(file_.process + "/ns/mnt").value_or(std::nullopt).value_or("");
    const auto [found, is_new] = remote_.try_emplace(name);
    if (!is_new) return found->second;
    const auto text = tree_.read(file_.process + "/mountinfo", most_mount_bytes);
    for (const auto& mount : parse_mountinfo(text.value_or(""))) {
      if (is_remote(mount)) found->second.push_back(mount.point);
    }
    return found->second;
  }

  const Tree& tree_;
  const std::function<void(const ProcessFile&)>& visit_;
  const std::set<std::int32_t> of_kthreadd_;
  ProcessFile file_ = {};  ///< what is the same for all files of the process that is looked at
  bool hidden_ = false;
  const std::vector<std::string>* points_ = nullptr;
  std::map<std::string, std::vector<std::string>> remote_ = {};  ///< by mount namespace
};

// The last two parts of a path; empty ones where there are less.
std::pair<std::string_view, std::string_view> last_parts(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  const auto directory = path.substr(0, slash);
  const auto before = directory.rfind('/');
  if (before == std::string_view::npos) return {};
  return {directory.substr(before + 1), path.substr(slash + 1)};
}

std::optional<PciAddress> address_from(std::string_view text) {
  auto address = parse_pci_address(text);
  return address ? std::optional(*address) : std::nullopt;
}

}  // namespace

std::set<std::int32_t> kernel_threads(const Tree& tree) {
  std::set<std::int32_t> threads;
  const auto stat = tree.read("proc/2/stat");
  if (!stat || !is_kernel_thread(*stat)) return threads;  // in a container another process has that number
  const auto text = tree.read("proc/2/task/2/children", most_maps_bytes).value_or("");
  for (const auto word : words_of(text)) {
    if (const auto pid = number_from<std::int32_t>(word, 10)) threads.insert(*pid);
  }
  if (!threads.empty()) threads.insert(2);
  return threads;
}

std::optional<PciAddress> function_of_resource_file(std::string_view path) {
  const auto [directory, name] = last_parts(path);
  if (!name.starts_with("resource") || name.size() < 9 || name[8] < '0' || name[8] > '9') return std::nullopt;
  return address_from(directory);
}

std::optional<PciAddress> function_of_proc_file(std::string_view path) {
  const auto [bus, function] = last_parts(path);
  if (function.size() != 4 || !path.substr(0, path.size() - bus.size() - 5).ends_with("/bus/pci/")) return std::nullopt;
  const auto domain = bus.find(':') == std::string_view::npos ? "0000:" : "";
  return address_from(domain + std::string(bus) + ":" + std::string(function));
}

bool is_only_a_place(const Tree& tree, const ProcessFile& file) {
  const auto directory = file.descriptor.rfind("/fd/");
  if (directory == std::string::npos) return false;
  const auto name = file.descriptor.substr(0, directory) + "/fdinfo/" + file.descriptor.substr(directory + 4);
  const auto info = tree.read(name).value_or("");
  for (const auto line : lines_of(info)) {
    const auto words = words_of(line);
    if (words.size() != 2 || words[0] != "flags:") continue;
    return (number_from<std::uint64_t>(words[1], 8).value_or(0) & std::uint64_t{O_PATH}) != 0;
  }
  return false;
}

Result<ProcessesSeen> each_process_file(const Tree& tree, const std::function<void(const ProcessFile&)>& visit) {
  const auto names = tree.list("proc");
  if (!names) return std::unexpected(names.error());
  const auto self = tree.link("proc/self").value_or(std::nullopt).value_or("");
  Pass pass(tree, visit);
  for (const auto& name : *names) {
    const auto pid = number_from<std::int32_t>(name);
    if (pid && name != self) pass.look_at(*pid, "proc/" + name);
  }
  return pass.seen;
}

}  // namespace devbindd::sysfs
