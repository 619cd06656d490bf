// SPDX-License-Identifier: Apache-2.0
// Arguments for virtual machine monitors and packet frameworks, each with what it cannot do with these devices. Pure.
#pragma once

#include "api/render/handover.hpp"

namespace devbindd::api {

/// HandoverFormat::Qemu, CloudHypervisor, Dpdk, Spdk
HandoverText render_qemu(const Handover& handover);
HandoverText render_cloud_hypervisor(const Handover& handover);
HandoverText render_dpdk(const Handover& handover);
HandoverText render_spdk(const Handover& handover);

}  // namespace devbindd::api
