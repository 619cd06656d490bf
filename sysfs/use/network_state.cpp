// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_state.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/use/generic_sessions.hpp"
#include "sysfs/use/link_receivers.hpp"
#include "sysfs/use/mounts.hpp"
#include "sysfs/use/network_dump.hpp"
#include "sysfs/use/network_gaps.hpp"
#include "sysfs/use/network_sessions.hpp"
#include "sysfs/use/network_stack.hpp"
#include "sysfs/use/packet_filters.hpp"
#include "sysfs/use/process_files.hpp"
#include "sysfs/use/socket_diag.hpp"
#include "sysfs/use/traffic_redirects.hpp"

namespace devbindd::sysfs {
namespace {

const std::string named_namespaces = "run/netns";
constexpr std::size_t most_namespace_mounts = 16U << 20U;
constexpr std::size_t most_links = 1U << 20U;  // of one process

std::optional<ino_t> inode_of(const FileDescriptor& descriptor) {
  struct stat status {};
  if (!descriptor || ::fstat(descriptor.get(), &status) != 0) return std::nullopt;
  return status.st_ino;
}

// "net:[4026531840]"
std::optional<ino_t> inode_in(std::string_view link) {
  if (!link.starts_with("net:[") || !link.ends_with(']')) return std::nullopt;
  return number_from<ino_t>(link.substr(5, link.size() - 6));
}

FileDescriptor open_namespace(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

std::unexpected<Error> namespace_error(const std::string& what) {
  const int error = errno;
  return fail(ErrorCode::Kernel, what + ": " + errno_text(error), error, "/proc/self/ns/net");
}

struct Visitor {
  const Tree& tree;
  FileDescriptor own;
  std::set<ino_t> seen;
  NetworkState state;

  Result<> visit(const std::string& name, const std::string& path) {
    const auto descriptor = open_namespace(path);
    const auto inode = inode_of(descriptor);
    if (!inode) {
      state.others_unknown = state.others_unknown || errno == EACCES || errno == EPERM;
      return {};
    }
    if (!seen.insert(*inode).second) return {};
    state.looked_into.push_back(*inode);
    if (::setns(descriptor.get(), CLONE_NEWNET) != 0) {
      // EINVAL: a file in /run/netns that is no namespace (any more).
      state.others_unknown = state.others_unknown || errno != EINVAL;
      return {};
    }
    auto interfaces = dump_network_interfaces(own.get());
    if (::setns(own.get(), CLONE_NEWNET) != 0) return namespace_error("cannot go back to the own network namespace");
    if (interfaces) {
      state.namespaces.push_back({name, std::move(*interfaces)});
    } else {
      state.others_unknown = true;
    }
    return {};
  }

  Result<> visit_named() {
    const auto names = tree.list(named_namespaces);
    if (!names) return {};
    for (const auto& name : *names) {
      const auto path = "/" + named_namespaces + "/" + name;
      if (auto done = visit(path, path); !done) return done;
    }
    return {};
  }

  // Container engines keep a namespace by a mount, wherever they like, with or without a process in it.
  Result<> visit_mounted() {
    const auto text = tree.read("proc/1/mountinfo", most_namespace_mounts);
    for (const auto& mount : parse_mountinfo(text.value_or(""))) {
      const auto inode = mount.type == "nsfs" ? inode_in(mount.root) : std::nullopt;
      if (!inode || seen.contains(*inode)) continue;
      if (auto done = visit(mount.point, "/proc/1/root" + mount.point); !done) return done;
    }
    return {};
  }

  Result<> visit_descriptors(const std::string& pid) {
    const auto links = tree.links("proc/" + pid + "/fd", most_links);
    if (!links) {
      state.others_unknown = state.others_unknown || links.error().errno_value == EACCES;
      return {};
    }
    for (const auto& link : *links) {
      const auto inode = inode_in(link.target);
      if (!inode || seen.contains(*inode)) continue;
      const auto path = "/proc/" + pid + "/fd/" + link.name;
      if (auto done = visit("pid " + pid + ", descriptor " + link.name, path); !done) return done;
    }
    return {};
  }

  Result<> visit_processes() {
    const auto names = tree.list("proc");
    if (!names) return std::unexpected(names.error());
    const auto of_kernel = kernel_threads(tree);  // in that of process 1
    for (const auto& name : *names) {
      const auto pid = number_from<std::int32_t>(name);
      if (!pid || of_kernel.contains(*pid)) continue;
      const auto link = tree.link("proc/" + name + "/ns/net");
      if (!link && link.error().errno_value != ESRCH) state.others_unknown = true;
      if (!link || !*link) continue;
      const auto inode = inode_in(**link);
      if (!inode || seen.contains(*inode)) continue;
      if (auto done = visit("pid " + name, "/proc/" + name + "/ns/net"); !done) return done;
    }
    return {};
  }
};

}  // namespace

Result<NetworkState> read_network_state(const Tree& tree) {
  Visitor visitor{tree, open_namespace("/proc/self/ns/net"), {}, {}};
  const auto inode = inode_of(visitor.own);
  if (!inode) return namespace_error("cannot open the own network namespace");
  visitor.seen.insert(*inode);
  visitor.state.looked_into.push_back(*inode);
  auto interfaces = dump_network_interfaces(-1);
  if (!interfaces) return std::unexpected(interfaces.error());
  add_uppers(tree, *interfaces);
  visitor.state.namespaces.push_back({"", std::move(*interfaces)});
  if (auto done = visitor.visit_named(); !done) return std::unexpected(done.error());
  if (auto done = visitor.visit_mounted(); !done) return std::unexpected(done.error());
  if (auto done = visitor.visit_processes(); !done) return std::unexpected(done.error());
  return std::move(visitor.state);
}

void add_what_runs(const Tree& tree, NetworkState& state) {
  add_sessions(tree, state);
  add_receivers(tree, state);
  add_socket_facts(tree, state);
  add_redirects(state);
  add_packet_filters(tree, state);
  add_generic_sessions(tree, state);
  add_network_gaps(tree, state);
}

Result<> add_namespaces_of_descriptors(const Tree& tree, NetworkState& state) {
  Visitor visitor{tree, open_namespace("/proc/self/ns/net"), {}, std::move(state)};
  visitor.seen.insert(visitor.state.looked_into.begin(), visitor.state.looked_into.end());
  const auto names = tree.list("proc");
  auto done = names ? Result<>() : Result<>(std::unexpected(names.error()));
  for (const auto& name : names ? *names : std::vector<std::string>{}) {
    if (done && number_from<std::int32_t>(name)) done = visitor.visit_descriptors(name);
  }
  state = std::move(visitor.state);
  return done;
}

}  // namespace devbindd::sysfs
