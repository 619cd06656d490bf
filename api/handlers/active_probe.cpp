// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/active_probe.hpp"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "api/handlers/denied.hpp"
#include "handoff/journal/json.hpp"
#include "handoff/plan/claim_reasons.hpp"
#include "sysfs/iommu/iommu_group.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;
using sysfs::ErrorCode;
using Done = std::function<void(OrResponse<vfio::ProbeReport>)>;

OrResponse<vfio::ProbeReport> report_of(const Request& request, const handoff::ResultOf<handoff::ProbeVfio>& result) {
  if (!result) {
    auto error = result.error();
    if (error.errno_value == EBUSY) error.code = ErrorCode::DeviceOpen;
    if (error.errno_value == EPERM) error.code = ErrorCode::GroupNotViable;
    return std::unexpected(problem_of(request, error));
  }
  auto report = vfio::parse_probe(*result);
  if (!report) return std::unexpected(problem_of(request, report.error()));
  return *report;
}

// The group is kept from every operation until the kernel has let go of the device, however long that takes.
void run_probe(Context& context, const Request& request, const handoff::ProbeVfio& probe, std::function<void()> release,
               const Done& done) {
  const auto answered = std::make_shared<bool>(false);
  context.engine.services().run_task(
      {probe, asker_of(request.requester)},
      {.on_overdue =
           [request, answered, done](int) {
             *answered = true;
             done(std::unexpected(problem_of(
                 request,
                 sysfs::Error{ErrorCode::Overdue,
                              "the probe has not finished in time: the kernel still resets or opens the device"})));
           },
       .on_result = handoff::on_result_of<handoff::ProbeVfio>([request, answered, release = std::move(release), done](
                                                                  const handoff::ResultOf<handoff::ProbeVfio>& result) {
         release();
         if (!*answered) done(report_of(request, result));
       })});
}

}  // namespace

std::optional<Response> probe_refusal(Context& context, const Request& request, const sysfs::Device& device) {
  const auto name = sysfs::to_string(device.address);
  if (auto denial = device_denied(context, request, device)) return denial;
  if (!sysfs::is_vfio_bound(device)) {
    return problem_of(request, sysfs::Error{ErrorCode::NotVfioBound,
                                            name + " is not bound to a VFIO driver: there is nothing to probe"});
  }
  if (const auto claim = context.engine.claim_of(device); !claim.empty()) {
    const auto evidence = handoff::claim_evidence(device.address, claim);
    return problem_of(request, handoff::Refusal{{ErrorCode::Refused, evidence.detail}, {evidence}, {}});
  }
  if (sysfs::is_open(context.engine.services().tree, device)) {
    return problem_of(request,
                      sysfs::Error{ErrorCode::DeviceOpen, name + " is open: a probe would reset it under its user"});
  }
  if (!device.iommu_group) return std::nullopt;
  const auto& services = context.engine.services();
  const auto blockers = sysfs::viability_blockers(services.inventory.group_members(*device.iommu_group),
                                                  sysfs::viability_rule(services.tree));
  if (blockers.empty()) return std::nullopt;
  json list = json::array();
  for (const auto& blocker : blockers)
    list.push_back({{"address", sysfs::to_string(blocker.address)}, {"driver", blocker.driver.text()}});
  return problem(request, 409, "group_not_viable",
                 "IOMMU group " + std::to_string(*device.iommu_group) +
                     " is not viable: " + sysfs::to_string(blockers.front().address) + " is bound to '" +
                     blockers.front().driver.text() + "'",
                 {{"group_blockers", std::move(list)}});
}

sysfs::Result<vfio::ProbeQuery> probe_query(Context& context, const sysfs::Device& device, const std::string& way) {
  auto nodes = vfio::nodes_of(context.engine.services().tree, device);
  if (!nodes) return std::unexpected(nodes.error());
  const bool cdev = way == "cdev" || (way == "auto" && !nodes->group);
  const auto& node = cdev ? nodes->cdev : nodes->group;
  if (!node) {
    return sysfs::fail(ErrorCode::NotVfioBound,
                       std::string("there is no ") + (cdev ? "device node (cdev)" : "group node") + " for " +
                           sysfs::to_string(device.address) + ": this kernel does not have that way into VFIO");
  }
  return vfio::ProbeQuery{.way = cdev ? vfio::ProbeWay::Cdev : vfio::ProbeWay::Group,
                          .address = sysfs::to_string(device.address),
                          .node = node->path,
                          .no_iommu = node->path.contains("noiommu-")};
}

void probe_device(Context& context, const Request& request, const sysfs::Device& device,
                  const handoff::ProbeVfio& probe, Done done) {
  auto release = context.engine.reserve(device);
  if (!release) return done(std::unexpected(problem_of(request, release.error())));
  context.engine.readers().find_holders(
      device, asker_of(request.requester),
      [&context, request, probe, release = *release, done = std::move(done)](const handoff::HoldersAnswer& holding) {
        if (!holding || holding->empty()) return run_probe(context, request, probe, release, done);
        release();
        json processes = json::array();
        for (const auto& holder : *holding) processes.push_back(handoff::to_json(holder));
        done(std::unexpected(problem(request, 409, "device_open",
                                     probe.query.node + " is open by " + holding->front().command + " (pid " +
                                         std::to_string(holding->front().pid) + ")",
                                     {{"processes", std::move(processes)}})));
      });
}

}  // namespace devbindd::api
