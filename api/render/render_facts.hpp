// SPDX-License-Identifier: Apache-2.0
// The further facts of one device as JSON: link, power, resets, errors, interrupts, SR-IOV, BARs, children, serial
// number.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "handoff/worker/attribute_reader.hpp"
#include "handoff/worker/config_reader.hpp"
#include "sysfs/device/children.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/device/device_facts.hpp"
#include "sysfs/device/resource.hpp"

namespace devbindd::api {

/// The object's keys are those of the device's own document: it is merged into that.
nlohmann::json render_facts(const sysfs::Tree& tree, const sysfs::Device& device,
                            const sysfs::Result<handoff::Attributes>& attributes);

/// "bars", "rom", "vf_bars" (a VF's share and the aperture of all) and "bridge_windows".
nlohmann::json render_resources(const std::vector<sysfs::Resource>& resources, const sysfs::Device& device);

/// "device_serial_number" from the configuration space, or why it is not known.
nlohmann::json render_serial(const handoff::ConfigReader::Answer& config);
nlohmann::json render_serial(const std::optional<std::string>& number);

/// The vital product data, or why it could not be read.
nlohmann::json render_vital_product_data(const handoff::ResultOf<handoff::ReadVpd>& answer);

}  // namespace devbindd::api
