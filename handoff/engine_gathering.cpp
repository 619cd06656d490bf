// How the engine learns what the kernel says before it decides: the members of a request, their overrides, who has them
// open, how the host uses them. Each may take workers, one after the other.
#include <algorithm>

#include "handoff/engine_parts.hpp"
#include "sysfs/pci_driver.hpp"
#include "sysfs/serial_number.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr int max_gather_rounds = 4;

}  // namespace

Decision in_the_way(const std::string& holder) {
  const bool probe = holder == probe_holder;
  return Refusal{{ErrorCode::OperationInProgress,
                  (probe ? holder : "operation " + holder) + " works on this device or its IOMMU group"},
                 {},
                 probe ? std::string{} : holder};
}

void Engine::gather(std::shared_ptr<Gathering> gathering) {
  gathering->facts = {};
  gathering->error.reset();
  gathering->ended_at_start = ended_count_;
  if (auto selected = select_members(*gathering); !selected) {
    return gathering->decide(Refusal{selected.error(), {}, {}});
  }
  const auto holder = holder_of(lock_keys(*gathering));
  if (!holder.empty() && holder != gathering->recovers) return gathering->decide(in_the_way(holder));
  look_up_drivers(*gathering);
  if (gathering->request.expect.serial) return check_serial(gathering);
  gather_overrides(gathering);
}

// The serial number is in the configuration space, which a worker reads.
void Engine::check_serial(const std::shared_ptr<Gathering>& gathering) {
  configs_.read(*gathering->request.address, [this, gathering](const ConfigReader::Answer& config) {
    if (!config) return gathering->decide(Refusal{config.error(), {}, {}});
    auto wrong = mismatch_of_serial(gathering->request.expect, sysfs::device_serial_number(*config));
    if (wrong.empty()) return gather_overrides(gathering);
    gathering->decide(Refusal{{ErrorCode::IdentityMismatch, std::move(wrong)}, {}, {}});
  });
}

void Engine::gather_overrides(const std::shared_ptr<Gathering>& gathering) {
  std::vector<sysfs::PciAddress> addresses;
  for (const auto& member : gathering->facts.members) addresses.push_back(member.device.address);
  overrides_.read(addresses, [this, gathering](const OverrideAnswers& answers) {
    for (auto& member : gathering->facts.members) {
      const auto& answer = answers.at(member.device.address);
      if (answer) {
        member.driver_override = *answer;
      } else if (answer.error().code == ErrorCode::Overdue) {
        member.override_known = false;
      } else {
        gathering->error = answer.error();
      }
    }
    gather_holders(gathering);
  });
}

sysfs::Result<> Engine::select_members(Gathering& gathering) {
  auto inventory = current();
  if (!inventory) return std::unexpected(inventory.error());
  const auto& request = gathering.request;
  auto& facts = gathering.facts;
  facts.denylist_off = services_.tree.read("sys/module/vfio_pci/parameters/disable_denylist").value_or("N") == "Y";
  facts.viability_rule = sysfs::viability_rule(services_.tree);
  facts.no_iommu_mode =
      services_.tree.read("sys/module/vfio/parameters/enable_unsafe_noiommu_mode").value_or("N") == "Y";
  if (is_id_change(request.kind)) {
    for (const auto& [address, device] : (*inventory)->devices()) {
      if (!device.driver && request.id == sysfs::id_text(device)) facts.id_captures.push_back(address);
    }
    return {};
  }
  if (!gathering.recovers.empty()) {
    select_unfinished(gathering);
    return {};
  }
  const auto* target = (*inventory)->find(*request.address);
  if (target == nullptr) {
    return sysfs::fail(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(*request.address));
  }
  if (auto wrong = mismatch(request.expect, *target); !wrong.empty())
    return sysfs::fail(ErrorCode::IdentityMismatch, std::move(wrong));
  const auto group =
      target->iommu_group ? (*inventory)->group_members(*target->iommu_group) : std::vector<sysfs::Device>{};
  const auto affected = affected_devices(request, *target, group, originals_);
  for (const auto& address : affected) {
    if (const auto* device = (*inventory)->find(address)) add_member(gathering, *device);
  }
  for (const auto& device : group) {
    if (std::ranges::find(affected, device.address) == affected.end()) facts.bystanders.push_back(device);
  }
  if (request.kind == ChangeKind::Bind && request.method == Method::NewId) {
    for (const auto& [address, device] : (*inventory)->devices()) {
      const bool twin = std::ranges::any_of(facts.members, [&](const MemberFacts& member) {
        return sysfs::id_text(member.device) == sysfs::id_text(device);
      });
      const bool member = std::ranges::find(affected, address) != affected.end();
      if (twin && !member && !device.driver) facts.id_captures.push_back(address);
    }
  }
  return {};
}

void Engine::add_member(Gathering& gathering, const sysfs::Device& device) {
  MemberFacts member;
  member.device = device;
  member.candidate_modules = sysfs::modules_for(services_.modules, device.modalias);
  if (const auto original = originals_.find(device.address); original != originals_.end()) {
    if (same_identity(original->second, device)) member.original = original->second;
  }
  gathering.facts.members.push_back(std::move(member));
}

void Engine::look_up_drivers(Gathering& gathering) const {
  for (const auto& name : drivers_needed(gathering.request, gathering.facts.members)) {
    DriverFacts driver;
    driver.registered = sysfs::driver_registered(services_.tree, name);
    driver.module = sysfs::module_of_driver(name);
    if (!driver.registered) {
      auto state = sysfs::module_state(services_.tree, services_.modules, driver.module);
      if (!state) gathering.error = state.error();
      driver.module_state = state.value_or(sysfs::ModuleState::Unknown);
    }
    gathering.facts.drivers.emplace(name.text(), std::move(driver));
  }
}

void Engine::gather_holders(const std::shared_ptr<Gathering>& gathering) {
  auto& members = gathering->facts.members;
  gathering->waiting = 1;
  const auto arrived = [this, gathering] {
    if (--gathering->waiting == 0) gather_uses(gathering);
  };
  for (std::size_t at = 0; at < members.size(); ++at) {
    const auto& device = members[at].device;
    if (sysfs::is_vfio_bound(device)) {
      ++gathering->waiting;
      find_holders(device, [gathering, at, arrived](const HoldersAnswer& holders) {
        if (holders) gathering->facts.members[at].holders = *holders;
        // Too many processes to look through in time: the enable count still tells that somebody has the device open.
        if (!holders && holders.error().code != ErrorCode::Overdue) gathering->error = holders.error();
        arrived();
      });
    }
    if (device.virtfns.empty()) continue;
    ++gathering->waiting;
    find_open_functions(device, [gathering, at, arrived](std::vector<OpenFunction> functions) {
      gathering->facts.members[at].open_vfs = std::move(functions);
      arrived();
    });
  }
  arrived();
}

void Engine::find_holders(const sysfs::Device& device, std::function<void(HoldersAnswer)> done) {
  const vfio::HolderQuery query{.address = device.address,
                                .group = device.iommu_group,
                                .vfio_device = device.vfio_device,
                                .device_open = device.enable_count.value_or(0) > 0};
  const auto answered = std::make_shared<bool>(false);
  const auto answer = [answered, done = std::move(done)](const TaskResult& result) {
    if (std::exchange(*answered, true)) return;
    if (!result) return done(std::unexpected(result.error()));
    done(holders_from(*result));
  };
  services_.run_task(
      task_for(query),
      {.on_overdue =
           [answer](int) { answer(sysfs::fail(ErrorCode::Overdue, "looking through all processes took too long")); },
       .on_result = answer});
}

void Engine::find_open_functions(const sysfs::Device& device, std::function<void(std::vector<OpenFunction>)> done) {
  struct Search {
    std::vector<OpenFunction> found;
    std::size_t waiting = 1;
  };
  const auto search = std::make_shared<Search>();
  const auto arrived = [search, done = std::move(done)] {
    if (--search->waiting == 0) done(std::move(search->found));
  };
  for (const auto& address : device.virtfns) {
    const auto* function = services_.inventory.find(address);
    if (function == nullptr || !sysfs::is_vfio_bound(*function)) continue;
    ++search->waiting;
    find_holders(*function, [search, address, open = function->enable_count.value_or(0) > 0,
                             arrived](const HoldersAnswer& holders) {
      const bool held = holders && !holders->empty();
      if (open || held) search->found.push_back({address, holders ? *holders : std::vector<vfio::Holder>{}});
      arrived();
    });
  }
  arrived();
}

// Of the members that a driver of the host has: what would be lost with it.
void Engine::gather_uses(const std::shared_ptr<Gathering>& gathering) {
  const bool taken_away = gathering->request.kind == ChangeKind::Bind ||
                          gathering->request.kind == ChangeKind::Unbind ||
                          gathering->request.kind == ChangeKind::Restore;
  std::vector<std::size_t> asked;
  for (std::size_t at = 0; taken_away && at < gathering->facts.members.size(); ++at) {
    const auto& device = gathering->facts.members[at].device;
    if (device.driver && !sysfs::is_vfio_bound(device)) asked.push_back(at);
  }
  gathering->waiting = asked.size();
  if (asked.empty()) return gathered(gathering);
  for (const auto at : asked) {
    find_usage(gathering->facts.members[at].device.address, gathering->requester,
               [this, gathering, at](const UsageAnswer& uses) {
                 auto& member = gathering->facts.members[at];
                 if (uses) member.uses = *uses;
                 member.uses_known = uses.has_value();
                 if (--gathering->waiting == 0) gathered(gathering);
               });
  }
}

void Engine::find_usage(const sysfs::PciAddress& address, const Requester& requester,
                        std::function<void(UsageAnswer)> done) {
  usage_.read(address, {TaskKind::FindUsage, {sysfs::to_string(address), requester.local_address.value_or("")}},
              [done = std::move(done)](const TaskResult& result) {
                if (!result) return done(std::unexpected(result.error()));
                done(uses_from(*result));
              });
}

// Facts are only good if nothing ended since they were read: another operation may have changed what they say.
void Engine::gathered(const std::shared_ptr<Gathering>& gathering) {
  if (gathering->error) return gathering->decide(Refusal{*gathering->error, {}, {}});
  if (gathering->ended_at_start != ended_count_ && ++gathering->round < max_gather_rounds) return gather(gathering);
  decide(gathering);
}

}  // namespace devbindd::handoff
