// SPDX-License-Identifier: Apache-2.0
// Guarded reads of several devices by one task, where the task answers with a list: one item for each of its devices.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "handoff/worker/guarded_reader.hpp"

namespace devbindd::handoff {

template <class Work>
class BatchReader {
 public:
  using Item = typename Work::Answer::value_type;
  using Answers = std::map<sysfs::PciAddress, sysfs::Result<Item>>;
  using Done = std::function<void(Answers)>;

  BatchReader(RunTask run_task, std::string what) : reader_(std::move(run_task), std::move(what)) {}

  /// Reads of all of `work.devices` by one task. Where that fails or hangs they are asked one by one, so that one of
  /// them spoils the answer of no other. `done` is called once, with an entry for each, within twice the workers'
  /// deadline. Errors: as GuardedReader::read(); Kernel with EINVAL for an answer that has not one item for each.
  void read_each(Work work, const Asker& asker, Done done) {
    const auto course = std::make_shared<Course>(Course{{}, asker, {}, std::move(done)});
    std::vector<sysfs::PciAddress> asked;
    for (const auto& address : work.devices) {
      if (reader_.hangs(address)) {
        course->answers.emplace(address, sysfs::fail(sysfs::ErrorCode::Overdue, reader_.busy_with(address)));
      } else {
        asked.push_back(address);
      }
    }
    work.devices = std::move(asked);
    course->work = std::move(work);
    if (course->work.devices.size() <= 1) return read_apart(course);
    ask(reader_.run_task(), course->work, asker, reader_.busy_with(std::nullopt),
        [this, course](const ResultOf<Work>& result) { take_all(course, result); });
  }

 private:
  struct Course {
    Work work;
    Asker asker;
    Answers answers;
    Done done;
  };
  using CoursePtr = std::shared_ptr<Course>;

  void take_all(const CoursePtr& course, const ResultOf<Work>& result) {
    const auto& devices = course->work.devices;
    // Where there is no worker for one task, there is none for many.
    const bool none_free = !result && result.error().code == sysfs::ErrorCode::TooBusy;
    if (!none_free && (!result || result->size() != devices.size())) return read_apart(course);
    for (std::size_t at = 0; at < devices.size(); ++at) {
      course->answers.emplace(devices[at],
                              none_free ? sysfs::Result<Item>(std::unexpected(result.error())) : result->at(at));
    }
    course->done(std::move(course->answers));
  }

  void read_apart(const CoursePtr& course) {
    if (course->work.devices.empty()) return course->done(std::move(course->answers));
    const auto waiting = std::make_shared<std::size_t>(course->work.devices.size());
    for (const auto& address : course->work.devices) {
      auto work = course->work;
      work.devices = {address};
      reader_.read(address, std::move(work), course->asker, [address, course, waiting](const ResultOf<Work>& result) {
        course->answers.emplace(address, only_item(result));
        if (--*waiting == 0) course->done(std::move(course->answers));
      });
    }
  }

  static sysfs::Result<Item> only_item(const ResultOf<Work>& result) {
    if (!result) return std::unexpected(result.error());
    if (result->size() == 1) return result->front();
    return sysfs::fail(sysfs::ErrorCode::Kernel, "a worker's answer is malformed", EINVAL);
  }

  GuardedReader<Work> reader_;
};

}  // namespace devbindd::handoff
