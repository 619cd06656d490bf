// SPDX-License-Identifier: Apache-2.0
// The thread on which the journal waits for the disk.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace devbindd::handoff {

/// A thread that does one thing after the other: what is urgent first.
class JournalThread {
 public:
  void start() {
    thread_ = std::jthread([this] { run(); });
  }
  void add(std::function<void()> item) { enqueue(urgent_, std::move(item)); }
  void add_later(std::function<void()> item) { enqueue(later_, std::move(item)); }

  // What is urgent is done before the thread ends: an operation's end must not be lost on a polite stop.
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      later_.clear();
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  using Queue = std::deque<std::function<void()>>;

  void enqueue(Queue& queue, std::function<void()> item) {
    {
      const std::scoped_lock lock(mutex_);
      queue.push_back(std::move(item));
    }
    wake_.notify_one();
  }

  void run() {
    while (true) {
      std::function<void()> item;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !urgent_.empty() || !later_.empty(); });
        if (urgent_.empty() && later_.empty()) return;
        auto& queue = urgent_.empty() ? later_ : urgent_;
        item = std::move(queue.front());
        queue.pop_front();
      }
      item();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  Queue urgent_;
  Queue later_;
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace devbindd::handoff
