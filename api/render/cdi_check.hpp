// SPDX-License-Identifier: Apache-2.0
// What a CDI file of ours may say. Whoever may have a container runtime read a file of his may have it run a program.
#pragma once

#include <string_view>

namespace devbindd::api {

/// Whether the text gives a container nodes of VFIO and iommufd, and variables whose names begin with PCIDEVICE_ or
/// DEVBINDD_, and nothing else: no mount, no hook, no other node. Source: the CDI specification, SPEC.md. Fuzzed.
bool is_harmless_cdi(std::string_view text);

}  // namespace devbindd::api
