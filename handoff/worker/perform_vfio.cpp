// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/performers.hpp"
#include "vfio/container.hpp"

namespace devbindd::handoff {

ResultOf<ReadVfioFacts> perform(const Kernel& kernel, const ReadVfioFacts&) {
  const auto facts = vfio::container_facts(kernel.ioctl);
  if (!facts) return std::unexpected(facts.error());
  ReadVfioFacts::Answer answer{.api_version = facts->api_version, .extensions = {}};
  for (const auto& extension : facts->extensions) answer.extensions.push_back({extension.number, extension.answer});
  return answer;
}

ResultOf<ProbeVfio> perform(const Kernel& kernel, const ProbeVfio& task) {
  return task.scope == ProbeScope::Device ? vfio::probe(kernel.ioctl, task.query)
                                          : vfio::probe_iommu(kernel.ioctl, task.query);
}

}  // namespace devbindd::handoff
