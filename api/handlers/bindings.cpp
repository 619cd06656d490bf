// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/bindings.hpp"

#include <nlohmann/json.hpp>

#include "api/http/problem.hpp"
#include "api/render/render.hpp"

namespace devbindd::api {

using nlohmann::json;

void read_bindings(Context& context, const Request& request, std::vector<sysfs::PciAddress> addresses,
                   std::function<void(std::vector<json>)> done, Respond respond) {
  context.engine.readers().overrides().read(
      addresses, asker_of(request.requester),
      [&context, request, addresses, done = std::move(done), respond](const handoff::OverrideAnswers& answers) {
        auto inventory = context.engine.current();
        if (!inventory) return respond(problem_of(request, inventory.error()));
        std::vector<json> bindings;
        for (const auto& address : addresses) {
          const auto* device = (*inventory)->find(address);
          if (device == nullptr) continue;
          auto binding = render_binding(context, *device, answers.at(address));
          if (!binding) return respond(problem_of(request, binding.error()));
          bindings.push_back(std::move(*binding));
        }
        done(std::move(bindings));
      });
}

}  // namespace devbindd::api
