#include "handoff/override_reader.hpp"

#include "sysfs/device.hpp"

namespace devbindd::handoff {

namespace {

OverrideAnswer busy(const sysfs::PciAddress& address) {
  return sysfs::fail(sysfs::ErrorCode::Overdue, "the kernel is busy with " + sysfs::to_string(address) +
                                                    " and holds its lock: reading its driver_override hangs");
}

}  // namespace

struct OverrideReader::Request {
  OverrideAnswers answers;
  std::size_t waiting = 0;
  std::function<void(OverrideAnswers)> done;

  void answer(const sysfs::PciAddress& address, OverrideAnswer value) {
    answers.insert_or_assign(address, std::move(value));
    if (--waiting == 0) done(std::move(answers));
  }
};

OverrideReader::OverrideReader(RunTask run_task)
    : run_task_(std::move(run_task)), hanging_(std::make_shared<std::set<sysfs::PciAddress>>()) {}

void OverrideReader::read(const std::vector<sysfs::PciAddress>& addresses, std::function<void(OverrideAnswers)> done) {
  if (addresses.empty()) return done({});
  auto request = std::make_shared<Request>();
  request->done = std::move(done);
  request->waiting = addresses.size();
  for (const auto& address : addresses) read_one(request, address);
}

void OverrideReader::read_one(const std::shared_ptr<Request>& request, const sysfs::PciAddress& address) {
  if (hanging_->contains(address)) return request->answer(address, busy(address));
  const auto answered = std::make_shared<bool>(false);
  run_task_({TaskKind::ReadOverrides, {sysfs::to_string(address)}},
            {.on_overdue =
                 [request, address, answered, hanging = hanging_](int) {
                   hanging->insert(address);
                   *answered = true;
                   request->answer(address, busy(address));
                 },
             .on_result =
                 [request, address, answered, hanging = hanging_](const TaskResult& result) {
                   hanging->erase(address);
                   if (*answered) return;
                   if (!result) return request->answer(address, std::unexpected(result.error()));
                   request->answer(address,
                                   result->empty() ? std::nullopt : sysfs::override_from_attribute(result->front()));
                 }});
}

}  // namespace devbindd::handoff
