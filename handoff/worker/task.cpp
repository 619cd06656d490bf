// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/task.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "handoff/worker/owner_names.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"
#include "vfio/container.hpp"
#include "vfio/group_device.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

std::unexpected<sysfs::Error> malformed(std::string_view what) {
  return sysfs::fail(sysfs::ErrorCode::Kernel, "the worker got a malformed task: " + std::string(what), EINVAL);
}

TaskResult set_vf_token(const Kernel& kernel, const sysfs::Step& step) {
  if (!step.address) return malformed("VF token");
  const auto device = sysfs::read_device(kernel.tree, *step.address);
  if (!device) return std::unexpected(device.error());
  const auto nodes = vfio::nodes_of(kernel.tree, *device);
  if (!nodes) return std::unexpected(nodes.error());
  if (!nodes->group) {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "there is no group node for " + sysfs::to_string(*step.address),
                       ENOENT);
  }
  auto set = vfio::set_vf_token(kernel.ioctl, nodes->group->path, sysfs::to_string(*step.address), step.argument);
  if (!set) return std::unexpected(set.error());
  return std::vector<std::string>{"done"};
}

// The network interface that knows of the PF's VFs: where it has several (representors, ports), the first that does. ""
// when there is none in the worker's namespace.
sysfs::Result<std::string> interface_of(const Kernel& kernel, const sysfs::PciAddress& physical) {
  const auto names = kernel.tree.list(sysfs::paths::attribute(physical, "net"));
  if (names && names->size() > 1) {
    for (const auto& name : *names) {
      const auto settings = kernel.vf_settings.read(name);
      if (settings && !settings->empty()) return name;
    }
  }
  if (names) return names->empty() ? std::string{} : names->front();
  if (names.error().errno_value == ENOENT) return std::string{};
  return std::unexpected(names.error());
}

TaskResult read_vf_settings(const Kernel& kernel, const std::vector<std::string>& arguments) {
  const auto address = arguments.size() == 1 ? sysfs::parse_pci_address(arguments[0]) : malformed("VF settings");
  if (!address) return std::unexpected(address.error());
  const auto physical = sysfs::read_device(kernel.tree, *address);
  if (!physical) return std::unexpected(physical.error());
  const auto interface = interface_of(kernel, *address);
  if (!interface) return std::unexpected(interface.error());
  // What cannot be set again is not promised.
  if (!kernel.vf_settings.may_set()) {
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "to set them again devbindd needs CAP_NET_ADMIN, which it does not have", EPERM);
  }
  if (interface->empty()) {
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "there is no network interface of " + arguments[0] + " in devbindd's network namespace", ENXIO);
  }
  const auto settings = kernel.vf_settings.read(*interface);
  if (!settings) return std::unexpected(settings.error());
  std::vector<std::string> fields;
  for (unsigned index = 0; index < physical->virtfns.size(); ++index) {
    const auto known = settings->find(index);
    if (known == settings->end()) continue;
    fields.push_back(sysfs::to_string(physical->virtfns[index]));
    fields.push_back(sysfs::to_text(known->second));
  }
  return fields;
}

TaskResult set_vf_settings(const Kernel& kernel, const sysfs::Step& step) {
  const auto settings = sysfs::vf_settings_from(step.argument);
  if (!step.address || !settings) return malformed("VF settings");
  const auto function = sysfs::read_device(kernel.tree, *step.address);
  if (!function) return std::unexpected(function.error());
  const auto physical =
      function->physfn ? sysfs::read_device(kernel.tree, *function->physfn) : malformed("virtual function");
  if (!physical) return std::unexpected(physical.error());
  const auto interface = interface_of(kernel, physical->address);
  if (!interface) return std::unexpected(interface.error());
  const auto place = std::ranges::find(physical->virtfns, *step.address);
  if (interface->empty() || place == physical->virtfns.end()) {
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "there is no network interface to set " + sysfs::to_string(*step.address) + " through", ENXIO);
  }
  auto set = kernel.vf_settings.set(*interface, static_cast<unsigned>(place - physical->virtfns.begin()), *settings);
  if (!set) return std::unexpected(set.error());
  return std::vector<std::string>{"done"};
}

TaskResult perform_step(const Kernel& kernel, const std::vector<std::string>& arguments) {
  if (arguments.size() != 3) return malformed("step");
  const auto kind = sysfs::step_kind_named(arguments[0]);
  if (!kind) return malformed("step kind");
  sysfs::Step step{*kind, std::nullopt, arguments[2]};
  if (!arguments[1].empty()) {
    auto address = sysfs::parse_pci_address(arguments[1]);
    if (!address) return std::unexpected(address.error());
    step.address = *address;
  }
  if (*kind == sysfs::StepKind::LoadModule) {
    auto loaded = sysfs::load_module(kernel.tree, kernel.modules, step.argument);
    if (!loaded) return std::unexpected(loaded.error());
    return std::vector<std::string>{"done"};
  }
  if (*kind == sysfs::StepKind::SetVfToken) return set_vf_token(kernel, step);
  if (*kind == sysfs::StepKind::SetVfSettings) return set_vf_settings(kernel, step);
  auto outcome = sysfs::perform(kernel.tree, step);
  if (!outcome) return std::unexpected(outcome.error());
  return std::vector<std::string>{*outcome == sysfs::StepOutcome::Done ? "done" : "already_done"};
}

TaskResult read_overrides(const Kernel& kernel, const std::vector<std::string>& arguments) {
  std::vector<std::string> overrides;
  for (const auto& argument : arguments) {
    auto address = sysfs::parse_pci_address(argument);
    if (!address) return std::unexpected(address.error());
    auto content = kernel.tree.read(sysfs::paths::attribute(*address, "driver_override"));
    const bool gone = !content && (content.error().errno_value == ENOENT || content.error().errno_value == ENODEV);
    if (!content && !gone) return std::unexpected(content.error());
    overrides.push_back(gone ? std::string{} : *content);
  }
  return overrides;
}

TaskResult find_holders(const Kernel& kernel, const std::vector<std::string>& arguments) {
  constexpr std::size_t words = 4;  // of each device
  if (arguments.empty() || arguments.size() % words != 0) return malformed("find holders");
  std::vector<vfio::HolderQuery> queries;
  for (std::size_t at = 0; at < arguments.size(); at += words) {
    auto address = sysfs::parse_pci_address(arguments[at]);
    if (!address) return std::unexpected(address.error());
    queries.push_back({.address = *address,
                       .group = sysfs::number_from<unsigned>(arguments[at + 1]),
                       .vfio_device = std::nullopt,
                       .device_open = arguments[at + 3] == "open"});
    if (!arguments[at + 2].empty()) queries.back().vfio_device = arguments[at + 2];
  }
  auto found = vfio::find_holders(kernel.tree, queries);
  if (!found) return std::unexpected(found.error());
  std::vector<std::vector<std::string>> lists;
  for (const auto& holders : *found) {
    auto& fields = lists.emplace_back();
    for (const auto& holder : holders) {
      fields.push_back(std::to_string(holder.pid));
      fields.push_back(holder.command);
      fields.push_back(holder.path);
      fields.emplace_back(holder.certain ? "certain" : "possible");
    }
  }
  return pack(lists);
}

TaskResult read_config(const Kernel& kernel, const std::vector<std::string>& arguments) {
  if (arguments.size() != 1) return malformed("read config");
  auto address = sysfs::parse_pci_address(arguments[0]);
  if (!address) return std::unexpected(address.error());
  const auto path = sysfs::paths::attribute(*address, "config");
  auto bytes = kernel.tree.read_bytes(path, sysfs::extended_bytes);
  if (!bytes) return std::unexpected(bytes.error());
  auto status = kernel.tree.status(path);
  if (!status) return std::unexpected(status.error());
  return std::vector<std::string>{*bytes, *status ? std::to_string((*status)->size) : std::string{}};
}

TaskResult vfio_facts(const Kernel& kernel) {
  auto facts = vfio::container_facts(kernel.ioctl);
  if (!facts) return std::unexpected(facts.error());
  std::vector<std::string> fields{std::to_string(facts->api_version)};
  for (const auto& extension : facts->extensions) {
    fields.push_back(std::to_string(extension.number));
    fields.push_back(std::to_string(extension.answer));
  }
  return fields;
}

TaskResult read_attributes(const Kernel& kernel, const std::vector<std::string>& arguments) {
  if (arguments.empty()) return malformed("read attributes");
  auto address = sysfs::parse_pci_address(arguments.front());
  if (!address) return std::unexpected(address.error());
  std::vector<std::string> fields;
  for (std::size_t at = 1; at < arguments.size(); ++at) {
    const auto content = kernel.tree.read(sysfs::paths::attribute(*address, arguments[at]));
    if (content) {
      fields.push_back("=" + *content);
    } else {
      const int errno_value = content.error().errno_value;
      fields.push_back(errno_value == ENOENT ? std::string{} : "!" + sysfs::errno_name(errno_value));
    }
  }
  return fields;
}

TaskResult find_usage(const Kernel& kernel, const std::vector<std::string>& arguments) {
  if (arguments.size() < 2) return malformed("find usage");
  std::vector<sysfs::Device> devices;
  for (std::size_t at = 1; at < arguments.size(); ++at) {
    auto address = sysfs::parse_pci_address(arguments[at]);
    if (!address) return std::unexpected(address.error());
    auto device = sysfs::read_device(kernel.tree, *address);
    if (!device) return std::unexpected(device.error());
    devices.push_back(std::move(*device));
  }
  auto found =
      find_uses(kernel.tree, devices, kernel.usage, arguments[0].empty() ? std::nullopt : std::optional(arguments[0]));
  if (!found) return std::unexpected(found.error());
  std::vector<std::vector<std::string>> lists;
  for (const auto& usage : *found) lists.push_back(fields_of(usage));
  return pack(lists);
}

TaskResult read_vpd(const Kernel& kernel, const std::vector<std::string>& arguments) {
  constexpr std::size_t largest = 32768;  // PCI_VPD_MAX_SIZE, drivers/pci/vpd.c
  if (arguments.size() != 1) return malformed("read vpd");
  auto address = sysfs::parse_pci_address(arguments[0]);
  if (!address) return std::unexpected(address.error());
  auto bytes = kernel.tree.read_bytes(sysfs::paths::attribute(*address, "vpd"), largest);
  if (!bytes) return std::unexpected(bytes.error());
  return std::vector<std::string>{std::move(*bytes)};
}

// What a worker may open to others: VFIO's nodes and iommufd's.
bool is_grantable(std::string_view path) {
  return (path.starts_with("/dev/vfio/") || path == "/dev/iommu") && path.find("..") == std::string_view::npos;
}

struct AccessArguments {
  vfio::Grantees grantees = {};
  std::vector<std::string> paths = {};
};

// "u1000" or "g44"
bool add_grantee(vfio::Grantees& grantees, const std::string& word) {
  const auto id = word.empty() ? std::nullopt : sysfs::number_from<unsigned>(word.substr(1));
  if (!id || (word[0] != 'u' && word[0] != 'g')) return false;
  (word[0] == 'u' ? grantees.uids : grantees.gids).push_back(*id);
  return true;
}

std::optional<AccessArguments> access_from(const std::vector<std::string>& arguments) {
  AccessArguments found;
  for (const auto& argument : arguments) {
    if (add_grantee(found.grantees, argument)) continue;
    if (!is_grantable(argument)) return std::nullopt;
    found.paths.push_back(argument);
  }
  return found;
}

std::vector<std::string> words_of(const vfio::Grantees& grantees) {
  std::vector<std::string> words;
  for (const auto uid : grantees.uids) words.push_back("u" + std::to_string(uid));
  for (const auto gid : grantees.gids) words.push_back("g" + std::to_string(gid));
  return words;
}

TaskResult change_access(const Kernel& kernel, const std::vector<std::string>& arguments, TaskKind kind) {
  const auto access = access_from(arguments);
  if (!access) return malformed("access");
  const auto& change = kind == TaskKind::GrantAccess ? kernel.access.grant : kernel.access.revoke;
  for (const auto& path : access->paths) {
    if (auto done = change(path, access->grantees); !done) return std::unexpected(done.error());
  }
  return std::vector<std::string>{};
}

TaskResult find_access(const Kernel& kernel, const std::vector<std::string>& arguments) {
  const auto access = access_from(arguments);
  if (!access || access->paths.size() != 1) return malformed("access");
  const auto found = kernel.access.who_has(access->paths[0], access->grantees);
  if (!found) return std::unexpected(found.error());
  return words_of(*found);
}

TaskResult open_nodes(const Kernel& kernel, const std::vector<std::string>& paths,
                      std::vector<sysfs::FileDescriptor>& opened) {
  if (!std::ranges::all_of(paths, is_grantable)) return malformed("node");
  for (const auto& path : paths) {
    auto node = kernel.ioctl.open_node(path);
    if (!node) {
      opened.clear();
      return std::unexpected(node.error());
    }
    opened.push_back(std::move(*node));
  }
  return std::vector<std::string>{};
}

TaskResult find_owners(const std::vector<std::string>& arguments) {
  std::vector<std::string> found;
  for (const auto& argument : arguments) {
    if (argument.size() < 2 || (argument[0] != 'u' && argument[0] != 'g')) return malformed("owners");
    const auto name = argument.substr(1);
    const auto id = argument[0] == 'u' ? user_id(name) : group_id(name);
    if (!id) return std::unexpected(id.error());
    found.push_back(*id ? std::to_string(**id) : std::string{});
  }
  return found;
}

TaskResult probe_vfio(const Kernel& kernel, const std::vector<std::string>& arguments, TaskKind kind) {
  if (arguments.size() != 4) return malformed("probe");
  const vfio::ProbeQuery query{.way = arguments[0] == "cdev" ? vfio::ProbeWay::Cdev : vfio::ProbeWay::Group,
                               .address = arguments[1],
                               .node = arguments[2],
                               .no_iommu = arguments[3] == "no_iommu"};
  auto answers =
      kind == TaskKind::ProbeVfio ? vfio::probe(kernel.ioctl, query) : vfio::probe_iommu(kernel.ioctl, query);
  if (!answers) return std::unexpected(answers.error());
  std::vector<std::string> fields;
  for (const auto& answer : *answers) {
    fields.push_back(answer.question);
    fields.push_back(std::to_string(answer.errno_value));
    fields.emplace_back(reinterpret_cast<const char*>(answer.bytes.data()), answer.bytes.size());
  }
  return fields;
}

TaskResult read_alternative_names(const Kernel& kernel) {
  auto names = kernel.alternative_names();
  if (!names) return std::unexpected(names.error());
  std::vector<std::string> fields;
  for (const auto& [interface, alternatives] : *names) {
    for (const auto& alternative : alternatives) {
      fields.push_back(interface);
      fields.push_back(alternative);
    }
  }
  return fields;
}

TaskResult raise_limit(const Kernel& kernel, const std::vector<std::string>& arguments) {
  const auto pid = arguments.size() == 2 ? sysfs::number_from<std::int32_t>(arguments[0]) : std::nullopt;
  const auto bytes = arguments.size() == 2 ? sysfs::number_from<std::uint64_t>(arguments[1]) : std::nullopt;
  if (!pid || *pid <= 0 || !bytes) return malformed("limit");
  if (auto raised = kernel.raise_locked_memory(*pid, *bytes); !raised) return std::unexpected(raised.error());
  return std::vector<std::string>{};
}

}  // namespace

Task task_for(const vfio::ProbeQuery& query, TaskKind kind) {
  return {kind,
          {query.way == vfio::ProbeWay::Cdev ? "cdev" : "group", query.address, query.node,
           query.no_iommu ? "no_iommu" : ""}};
}

std::vector<vfio::RawAnswer> answers_from(const std::vector<std::string>& fields) {
  std::vector<vfio::RawAnswer> answers;
  for (std::size_t at = 0; at + 2 < fields.size(); at += 3) {
    const auto* bytes = reinterpret_cast<const std::byte*>(fields[at + 2].data());
    answers.push_back(
        {fields[at], sysfs::number_from<int>(fields[at + 1]).value_or(0), {bytes, bytes + fields[at + 2].size()}});
  }
  return answers;
}

Task task_for(TaskKind kind, const vfio::Grantees& grantees, const std::vector<std::string>& paths) {
  Task task{kind, words_of(grantees)};
  task.arguments.insert(task.arguments.end(), paths.begin(), paths.end());
  return task;
}

vfio::Grantees grantees_from(const std::vector<std::string>& fields) {
  vfio::Grantees grantees;
  for (const auto& field : fields) add_grantee(grantees, field);
  return grantees;
}

Task task_for(const sysfs::Step& step) {
  return {TaskKind::Step,
          {std::string(sysfs::name_of(step.kind)), step.address ? sysfs::to_string(*step.address) : std::string{},
           step.argument}};
}

Task task_for(const std::vector<vfio::HolderQuery>& queries) {
  Task task{TaskKind::FindHolders, {}};
  for (const auto& query : queries) {
    task.arguments.push_back(sysfs::to_string(query.address));
    task.arguments.push_back(query.group ? std::to_string(*query.group) : std::string{});
    task.arguments.push_back(query.vfio_device.value_or(""));
    task.arguments.emplace_back(query.device_open ? "open" : "");
  }
  return task;
}

std::vector<std::vector<vfio::Holder>> holders_from(const std::vector<std::string>& fields) {
  std::vector<std::vector<vfio::Holder>> all;
  for (const auto& list : unpack(fields)) {
    auto& holders = all.emplace_back();
    for (std::size_t at = 0; at + 3 < list.size(); at += 4) {
      holders.push_back({sysfs::number_from<std::int32_t>(list[at]).value_or(0), list[at + 1], list[at + 2],
                         list[at + 3] == "certain"});
    }
  }
  return all;
}

std::vector<std::string> pack(const std::vector<std::vector<std::string>>& lists) {
  std::vector<std::string> fields;
  for (const auto& list : lists) {
    fields.push_back(std::to_string(list.size()));
    fields.insert(fields.end(), list.begin(), list.end());
  }
  return fields;
}

std::vector<std::vector<std::string>> unpack(const std::vector<std::string>& fields) {
  std::vector<std::vector<std::string>> lists;
  for (std::size_t at = 0; at < fields.size();) {
    const auto size = sysfs::number_from<std::size_t>(fields[at]);
    if (!size || *size > fields.size() - at - 1) return {};
    const auto first = fields.begin() + static_cast<std::ptrdiff_t>(++at);
    lists.emplace_back(first, first + static_cast<std::ptrdiff_t>(*size));
    at += *size;
  }
  return lists;
}

sysfs::ConfigSpace config_from(const std::vector<std::string>& fields) {
  sysfs::ConfigSpace config;
  if (fields.size() != 2) return config;
  for (const char byte : fields[0]) config.bytes.push_back(static_cast<std::byte>(byte));
  config.file_size = sysfs::number_from<std::size_t>(fields[1]);
  return config;
}

sysfs::AlternativeNames alternative_names_from(const std::vector<std::string>& fields) {
  sysfs::AlternativeNames names;
  for (std::size_t at = 0; at + 1 < fields.size(); at += 2) names[fields[at]].push_back(fields[at + 1]);
  return names;
}

TaskCallbacks within_deadline(std::string too_late, std::function<void(const TaskResult&)> done) {
  // Gone after its first use, with all that it keeps alive: the task may hang in the kernel for ever.
  const auto answer =
      [left = std::make_shared<std::function<void(const TaskResult&)>>(std::move(done))](const TaskResult& result) {
        if (const auto now = std::exchange(*left, nullptr)) now(result);
      };
  return {.on_overdue = [answer, too_late = std::move(too_late)](
                            int) { answer(sysfs::fail(sysfs::ErrorCode::Overdue, too_late)); },
          .on_result = answer};
}

TaskResult perform(const Kernel& kernel, const Task& task, std::vector<sysfs::FileDescriptor>& opened) {
  switch (task.kind) {
    case TaskKind::Step: return perform_step(kernel, task.arguments);
    case TaskKind::ReadOverrides: return read_overrides(kernel, task.arguments);
    case TaskKind::FindHolders: return find_holders(kernel, task.arguments);
    case TaskKind::VfioFacts: return vfio_facts(kernel);
    case TaskKind::ReadAttributes: return read_attributes(kernel, task.arguments);
    case TaskKind::ProbeVfio:
    case TaskKind::ProbeIommu: return probe_vfio(kernel, task.arguments, task.kind);
    case TaskKind::FindUsage: return find_usage(kernel, task.arguments);
    case TaskKind::GrantAccess:
    case TaskKind::RevokeAccess: return change_access(kernel, task.arguments, task.kind);
    case TaskKind::FindAccess: return find_access(kernel, task.arguments);
    case TaskKind::FindOwners: return find_owners(task.arguments);
    case TaskKind::RaiseLockedMemory: return raise_limit(kernel, task.arguments);
    case TaskKind::OpenNodes: return open_nodes(kernel, task.arguments, opened);
    case TaskKind::ReadVfSettings: return read_vf_settings(kernel, task.arguments);
    case TaskKind::ReadVpd: return read_vpd(kernel, task.arguments);
    case TaskKind::ReadConfig: return read_config(kernel, task.arguments);
    case TaskKind::ReadAlternativeNames: return read_alternative_names(kernel);
  }
  return malformed("kind");
}

}  // namespace devbindd::handoff
