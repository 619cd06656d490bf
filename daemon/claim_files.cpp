// SPDX-License-Identifier: Apache-2.0
#include "daemon/claim_files.hpp"

#include <spdlog/spdlog.h>
#include <set>
#include <string>
#include <utility>

#include "api/render/render_claim.hpp"

namespace devbindd::daemon {

void publish_claim(handoff::Engine& engine, Privileged& privileged, const handoff::Claim& claim,
                   Privileged::Done done) {
  auto handover = api::handover_of(engine, claim);
  if (!handover) return done(std::unexpected(handover.error()));
  const auto backend = api::chosen_backend(*handover, api::HandoverFormat::Cdi, std::nullopt);
  if (!backend) return done(std::unexpected(backend.error()));
  handover->backend = *backend;
  const auto text = api::cdi_text(*handover);
  if (text.empty()) return done({});
  privileged.put_cdi_file(claim.id, text, std::move(done));
}

void withdraw_claim(Privileged& privileged, const handoff::Claim& claim, Privileged::Done done) {
  privileged.put_cdi_file(claim.id, "", std::move(done));
}

void keep_files_of(const handoff::Claims& claims, Privileged& privileged) {
  std::set<std::string> held;
  for (const auto* claim : claims.all()) {
    if (handoff::holds_devices(*claim)) held.insert(claim->id);
  }
  privileged.keep_cdi_files(held, [](const sysfs::Result<>& done) {
    if (!done) spdlog::error("{}: no claim can be made until that is mended", done.error().message);
  });
}

}  // namespace devbindd::daemon
