// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/device_readers.hpp"

namespace devbindd::handoff {

DeviceReaders::DeviceReaders(const sysfs::Tree& tree, const sysfs::Inventory& inventory, RunTask run_task)
    : tree_(tree),
      inventory_(inventory),
      run_task_(std::move(run_task)),
      overrides_(run_task_),
      configs_(run_task_),
      attributes_(run_task_),
      vital_product_data_(run_task_, "its vital product data"),
      usage_(run_task_, "how the host uses it"),
      vf_settings_(run_task_, "the settings of its virtual functions"),
      alternative_names_(run_task_, "the alternative names of interfaces") {}

void DeviceReaders::find_holders(const sysfs::Device& device, const Asker& asker,
                                 std::function<void(HoldersAnswer)> done) {
  find_holders(std::vector{device}, asker,
               [done = std::move(done)](const std::vector<HoldersAnswer>& answers) { done(answers.front()); });
}

void DeviceReaders::find_holders(const std::vector<sysfs::Device>& devices, const Asker& asker,
                                 std::function<void(std::vector<HoldersAnswer>)> done) {
  if (devices.empty()) return done({});
  std::vector<vfio::HolderQuery> queries;
  for (const auto& device : devices) {
    queries.push_back({.address = device.address,
                       .group = device.iommu_group,
                       .vfio_device = device.vfio_device,
                       .device_open = sysfs::is_open(tree_, device)});
  }
  const auto answer = [count = devices.size(), done = std::move(done)](ResultOf<FindHolders> result) {
    if (!result) return done(std::vector<HoldersAnswer>(count, std::unexpected(result.error())));
    result->resize(count);
    done({result->begin(), result->end()});
  };
  ask(run_task_, FindHolders{std::move(queries)}, asker, "looking through all processes took too long", answer);
}

void DeviceReaders::find_open_functions(const sysfs::Device& device, const Asker& asker,
                                        std::function<void(std::vector<OpenFunction>)> done) {
  const auto functions = bound_functions(inventory_, device);
  const auto answer = [this, functions, done = std::move(done)](const std::vector<HoldersAnswer>& answers) {
    std::vector<OpenFunction> found;
    for (std::size_t at = 0; at < functions.size(); ++at) {
      if (auto open = open_function(tree_, functions[at], answers[at])) found.push_back(std::move(*open));
    }
    done(std::move(found));
  };
  find_holders(functions, asker, answer);
}

void DeviceReaders::find_usage(const sysfs::PciAddress& address, const Requester& requester,
                               std::function<void(UsageAnswer)> done) {
  find_usages({address}, asker_of(requester), requester.local_address,
              [done = std::move(done)](const std::map<sysfs::PciAddress, UsageAnswer>& answers) {
                done(answers.begin()->second);
              });
}

void DeviceReaders::find_usages(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                                const std::optional<std::string>& local_address,
                                std::function<void(std::map<sysfs::PciAddress, UsageAnswer>)> done) {
  usage_.read_each({.devices = addresses, .client_local_address = local_address}, asker, std::move(done));
}

void DeviceReaders::find_alternative_names(const Asker& asker,
                                           std::function<void(sysfs::Result<sysfs::AlternativeNames>)> done) {
  alternative_names_.read(std::nullopt, {}, asker, std::move(done));
}

std::vector<sysfs::Device> bound_functions(const sysfs::Inventory& inventory, const sysfs::Device& physical) {
  std::vector<sysfs::Device> functions;
  for (const auto& address : physical.virtfns) {
    const auto* function = inventory.find(address);
    if (function != nullptr && sysfs::is_vfio_bound(*function)) functions.push_back(*function);
  }
  return functions;
}

std::optional<OpenFunction> open_function(const sysfs::Tree& tree, const sysfs::Device& function,
                                          const HoldersAnswer& holders) {
  const bool held = holders && !holders->empty();
  if (!held && !sysfs::is_open(tree, function)) return std::nullopt;
  return OpenFunction{function.address, holders ? *holders : std::vector<vfio::Holder>{}};
}

}  // namespace devbindd::handoff
