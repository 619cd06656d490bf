// SPDX-License-Identifier: Apache-2.0
// The files of "tls" in the configuration. Not here: what is done with them (api/http/tls_material.hpp).
#pragma once

#include "api/http/tls_material.hpp"
#include "daemon/configuration.hpp"

namespace devbindd::daemon {

/// Reads them. "credential:NAME" is the file NAME in $CREDENTIALS_DIRECTORY. Errors: Kernel, with the errno of the
/// file; EFBIG for one of more than 1 MiB; EPERM for a key that everybody may read. Source: systemd.exec(5),
/// LoadCredential=.
sysfs::Result<api::TlsMaterial> read_tls_files(const TlsConfiguration& tls);

}  // namespace devbindd::daemon
