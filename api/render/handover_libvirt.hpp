// SPDX-License-Identifier: Apache-2.0
// The elements of a libvirt domain. Pure.
#pragma once

#include "api/render/handover.hpp"

namespace devbindd::api {

/// HandoverFormat::LibvirtXml
HandoverText render_libvirt_xml(const Handover& handover);

}  // namespace devbindd::api
