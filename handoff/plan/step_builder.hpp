// SPDX-License-Identifier: Apache-2.0
// Builds the steps of a plan and keeps track of what each write leaves behind, so that every undo is exact at its
// place. Not here: which steps a request needs (plan.cpp, virtual_functions.cpp).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

class StepBuilder {
 public:
  explicit StepBuilder(const Facts& facts);

  /// Where the driver is not registered and its module can be loaded. Never undone: a loaded module changes no device,
  /// and unloading it could take others' devices away.
  void load_driver(const Facts& facts, const std::string& driver);
  void set_override(const sysfs::PciAddress& address, const std::optional<std::string>& value);
  void unbind(const sysfs::PciAddress& address);
  void bind(const sysfs::PciAddress& address, const std::string& driver);
  void add_id(const std::string& argument);
  void remove_id(const std::string& argument, bool undoable);

  void set_vf_token(const sysfs::PciAddress& physical, const std::string& token);
  /// What the PF's driver knows of a VF. Those of before are the undo, as far as they are known.
  /// `may_fail`: where the VF is better off without them than the change undone.
  void set_vf_settings(const sysfs::PciAddress& function, const std::string& settings, bool may_fail);
  /// The kernel looks for a driver.
  void probe(const sysfs::PciAddress& function);
  void set_autoprobe(const sysfs::PciAddress& physical, bool on);
  /// All VFs of the PF go, with whatever they were bound to. The undo makes them anew and gives each what it had.
  void destroy_functions(const sysfs::PciAddress& physical);
  /// The PF gets VFs, at these addresses as far as they are known, which have no driver. `driver_override`: what the
  /// PF's driver sets for them.
  void create_functions(const sysfs::PciAddress& physical, unsigned count,
                        const std::vector<sysfs::PciAddress>& functions,
                        const std::optional<std::string>& driver_override);
  /// Gives a VF that the plan created its driver. Without undo: with creating it undone it is gone.
  void bind_created(const sysfs::PciAddress& function, const std::optional<std::string>& driver,
                    const std::optional<std::string>& driver_override);
  /// The kernel is let alone with the driver of a VF that the plan created.
  void leave_to_kernel(const sysfs::PciAddress& function) { states_[function].kernel_chooses = true; }

  bool bound_to(const sysfs::PciAddress& address, const std::string& driver);
  Plan finish(std::vector<Evidence> evidence);

 private:
  struct State {
    std::optional<std::string> driver = {};
    std::optional<std::string> driver_override = {};
    bool there = true;
    bool remade = false;
    bool kernel_chooses = false;
    std::optional<std::string> vf_settings = {};
    bool settings_wanted = false;  ///< the plan sets them
    std::optional<FunctionsState> functions = {};
  };

  void append(sysfs::Step step, std::vector<sysfs::Step> undo);
  std::vector<sysfs::Step> functions_back(const sysfs::PciAddress& physical);

  Plan plan_;
  std::map<sysfs::PciAddress, State> states_;
  std::map<sysfs::PciAddress, State> before_;
};

}  // namespace devbindd::handoff
