// SPDX-License-Identifier: Apache-2.0
// What container runtimes and orchestrators are told: CDI, Kubernetes, Nomad. Pure. Not here: where a CDI file is
// written (cdi_files.hpp).
#pragma once

#include "api/render/handover.hpp"

namespace devbindd::api {

/// HandoverFormat::Cdi, KubernetesDevicePlugin, Nomad
HandoverText render_cdi(const Handover& handover);
HandoverText render_kubernetes_device_plugin(const Handover& handover);
HandoverText render_nomad(const Handover& handover);

}  // namespace devbindd::api
