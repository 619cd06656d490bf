// SPDX-License-Identifier: Apache-2.0
// Real worker processes, on a directory instead of the kernel. A write that hangs is a pipe that nobody reads yet.
#include "handoff/worker/worker_pool.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include "handoff/worker/children.hpp"
#include "handoff/worker/worker_lock.hpp"
#include "handoff/worker/worker_wire.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::worker_pool_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;
namespace fs = std::filesystem;

struct Call {
  int overdue = 0;
  int pid = 0;
  std::optional<TaskResult> result;
};

struct Bench {
  explicit Bench(std::chrono::milliseconds deadline = std::chrono::milliseconds(50), std::size_t max_workers = 64,
                 std::size_t max_queue = 1024)
      : pool(io, {.command = {worker_program, directory.path().string(), (directory.path() / "locks").string()},
                  .step_deadline = deadline,
                  .read_deadline = deadline,
                  .lanes = 2,
                  .readers = {.at_once = 1, .workers = 2, .queued = 4, .queued_each = 2},
                  .changers = {.at_once = 1, .workers = 1, .queued = 4, .queued_each = 4},
                  .upkeep = {max_workers, max_workers, max_queue, max_queue}}) {
    fs::create_directories(directory.path() / "sys/bus/pci/drivers/fine");
    std::ofstream(directory.path() / "sys/bus/pci/drivers/fine/unbind") << "";
  }

  fs::path unbind_of(const std::string& driver) const {
    return directory.path() / "sys/bus/pci/drivers" / driver / "unbind";
  }
  /// Unbinding from this driver hangs until somebody reads.
  void make_hanging(const std::string& driver) const {
    fs::create_directories(unbind_of(driver).parent_path());
    REQUIRE(::mkfifo(unbind_of(driver).c_str(), 0600) == 0);
  }
  /// Lets the writers of the driver go on. They go on while the result lives.
  sysfs::FileDescriptor reader_of(const std::string& driver) const {
    return sysfs::FileDescriptor(::open(unbind_of(driver).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }

  std::shared_ptr<Call> unbind(const std::string& driver, const Asker& asker = {}) {
    return unbind([this](Task task, TaskCallbacks callbacks) { pool.run(std::move(task), std::move(callbacks)); },
                  driver, asker);
  }
  static std::shared_ptr<Call> unbind(const RunTask& run, const std::string& driver, const Asker& asker = {}) {
    auto call = std::make_shared<Call>();
    run({PerformStep{{sysfs::StepKind::Unbind, at("0000:05:00.0"), driver}}, asker},
        {.on_overdue =
             [call](int pid) {
               ++call->overdue;
               call->pid = pid;
             },
         .on_result = [call](TaskResult result) { call->result = std::move(result); }});
    return call;
  }
  void wait_for(const std::shared_ptr<Call>& call) {
    run_until(io, [&call] { return call->result.has_value(); });
  }
  void wait_until_overdue(const std::shared_ptr<Call>& call) {
    run_until(io, [&call] { return call->overdue > 0; });
  }

  TemporaryDirectory directory;
  boost::asio::io_context io;
  WorkerPool pool;
};

bool is_done(const std::shared_ptr<Call>& call) {
  return result_to<PerformStep>(*call->result) == sysfs::StepOutcome::Done;
}

constexpr auto patient = std::chrono::milliseconds(60'000);

}  // namespace

TEST_CASE("A worker process performs a task") {
  Bench bench(patient);
  REQUIRE(bench.pool.start());
  const auto call = bench.unbind("fine");
  CHECK_FALSE(call->result.has_value());  // never before run() has returned
  bench.wait_for(call);
  CHECK(is_done(call));
  CHECK(call->overdue == 0);
  std::ifstream written(bench.unbind_of("fine"));
  CHECK(std::string(std::istreambuf_iterator<char>(written), {}) == "0000:05:00.0");
}

TEST_CASE("What a worker opens arrives with its answer, in order; with an error nothing does") {
  Bench bench(patient);
  REQUIRE(bench.pool.start());
  for (const bool good : {true, false}) {
    std::vector<sysfs::FileDescriptor> opened;
    std::optional<TaskResult> result;
    const std::string last = good ? "/dev/vfio/2" : "/dev/vfio/1";
    bench.pool.run({OpenNodes{{"/dev/vfio/vfio", last}}},
                   {.on_overdue = [](int) {},
                    .on_result = [&result](TaskResult answer) { result = std::move(answer); },
                    .on_descriptors = [&opened](auto descriptors) { opened = std::move(descriptors); }});
    run_until(bench.io, [&result] { return result.has_value(); });
    CHECK(result->has_value() == good);
    REQUIRE(opened.size() == (good ? 2 : 0));
    for (std::size_t at = 0; at < opened.size(); ++at) {
      std::array<char, 32> text{};
      CHECK(::pread(opened[at].get(), text.data(), text.size(), 0) > 0);
      CHECK(std::string(text.data()) == (at == 0 ? "/dev/vfio/vfio" : last));
    }
  }
  // The next task of the same worker has none.
  const auto plain = bench.unbind("fine");
  bench.wait_for(plain);
  CHECK(plain->result->has_value());
}

TEST_CASE("A worker's error arrives with its errno") {
  Bench bench(patient);
  REQUIRE(bench.pool.start());
  const auto call = bench.unbind("missing");
  bench.wait_for(call);
  CHECK(call->result->error().errno_value == ENOENT);
  CHECK(call->result->error().path.ends_with("sys/bus/pci/drivers/missing/unbind"));
}

TEST_CASE("A write that hangs is told as overdue once, others go on, and its result comes when the kernel lets go") {
  Bench bench;
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const auto stuck = bench.unbind("stuck");
  bench.wait_until_overdue(stuck);
  CHECK(stuck->pid > 0);
  CHECK(bench.pool.stuck() == 1);
  CHECK(bench.pool.use().stuck == 1);
  for (int count = 0; count < 10; ++count) {
    const auto fine = bench.unbind("fine");
    bench.wait_for(fine);
    CHECK(fine->result->has_value());
  }
  CHECK_FALSE(stuck->result.has_value());
  const auto reader = bench.reader_of("stuck");
  bench.wait_for(stuck);
  CHECK(is_done(stuck));
  CHECK(stuck->overdue == 1);
  CHECK(bench.pool.stuck() == 0);
}

TEST_CASE("A worker has nothing of the daemon's but its own channel") {
  Bench bench;
  bench.make_hanging("stuck");
  const auto kept = (bench.directory.path() / "kept").string();
  std::ofstream(kept) << "";
  // Without O_CLOEXEC, as a library may open it.
  const sysfs::FileDescriptor inheritable(::open(kept.c_str(), O_RDONLY));
  REQUIRE(::fcntl(inheritable.get(), F_GETFD) == 0);
  REQUIRE(bench.pool.start());
  const auto stuck = bench.unbind("stuck");
  bench.wait_until_overdue(stuck);
  // Overdue is a task also where its worker has only begun to start, with the files of its libraries.
  const auto locks = open_worker_locks((bench.directory.path() / "locks").string());
  REQUIRE(locks);
  const auto begun = [&] { return std::ranges::count(lock_holders(*locks), stuck->pid) == 1; };
  for (int looks = 0; looks < 3000 && !begun(); ++looks) {
    bench.io.restart();
    bench.io.run_for(std::chrono::milliseconds(10));
  }
  REQUIRE(begun());
  std::map<int, std::string> held;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(stuck->pid) + "/fd"))
    held[std::stoi(entry.path().filename())] = fs::read_symlink(entry.path()).string();
  for (const int standard : {0, 1, 2}) CHECK(held[standard] == "/dev/null");
  CHECK(held[3].starts_with("socket:"));
  for (const auto& [number, target] : held) {
    CAPTURE(number, target);
    // Beyond its channel it has opened the root of its tree, its lock, and what it works on.
    CHECK((number <= 3 || target == bench.directory.path() || target == bench.directory.path() / "locks" ||
           target == bench.unbind_of("stuck")));
  }
  const auto reader = bench.reader_of("stuck");
  bench.wait_for(stuck);
}

TEST_CASE("A worker is known by its lock for as long as it lives, and nobody else by anything") {
  Bench bench;
  bench.make_hanging("stuck");
  const auto locks = open_worker_locks((bench.directory.path() / "locks").string());
  REQUIRE(locks);
  CHECK(lock_holders(*locks).empty());
  REQUIRE(bench.pool.start());
  std::vector<std::shared_ptr<Call>> stuck;
  std::vector<std::int32_t> pids;
  for (int count = 0; count < 3; ++count) {
    stuck.push_back(bench.unbind("stuck"));
    bench.wait_until_overdue(stuck.back());
    pids.push_back(stuck.back()->pid);
  }
  std::ranges::sort(pids);
  const auto holders = [&] {
    auto found = lock_holders(*locks);  // with those that have nothing to do
    std::erase_if(found, [&pids](std::int32_t pid) { return std::ranges::count(pids, pid) == 0; });
    return found;
  };
  // Overdue is a task also where its worker has only begun to start.
  for (int looks = 0; looks < 3000 && holders() != pids; ++looks) {
    bench.io.restart();
    bench.io.run_for(std::chrono::milliseconds(10));
  }
  CHECK(holders() == pids);
  REQUIRE(::kill(pids[1], SIGSTOP) == 0);
  CHECK(holders() == pids);
  REQUIRE(::kill(pids[1], SIGKILL) == 0);
  run_until(bench.io, [&] { return stuck[0]->result || stuck[1]->result || stuck[2]->result; });
  CHECK(holders() == std::vector{pids[0], pids[2]});
  const auto reader = bench.reader_of("stuck");
  for (const auto& call : stuck) bench.wait_for(call);
}

TEST_CASE("A worker performs no task that it has not begun when the daemon is gone") {
  Bench bench;
  std::array<int, 2> pair{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
  sysfs::FileDescriptor ours(pair[0]);
  const sysfs::FileDescriptor theirs(pair[1]);
  const auto task = encode(Task{PerformStep{{sysfs::StepKind::Unbind, at("0000:05:00.0"), "fine"}}});
  REQUIRE(::write(ours.get(), task.data(), task.size()) == static_cast<ssize_t>(task.size()));
  const bool alive = GENERATE(true, false);
  if (!alive) ours.reset();
  const auto root = bench.directory.path().string();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::fcntl(theirs.get(), F_DUPFD, 10), 3);
    ::execl(worker_program, worker_program, root.c_str(), nullptr);
    ::_exit(9);
  }
  if (alive) {
    char answer = 0;
    // A worker of another test may end now: the pool of this test takes SIGCHLD, which interrupts a read.
    CHECK(TEMP_FAILURE_RETRY(::read(ours.get(), &answer, 1)) == 1);
    ours.reset();
  }
  int status = -1;
  REQUIRE(TEMP_FAILURE_RETRY(::waitpid(child, &status, 0)) == child);
  CHECK(status == 0);
  CHECK((fs::file_size(bench.unbind_of("fine")) > 0) == alive);
}

TEST_CASE("A signal does not end a worker in the middle of a task") {
  Bench bench;
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const auto stuck = bench.unbind("stuck");
  bench.wait_until_overdue(stuck);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) REQUIRE(::kill(stuck->pid, signal) == 0);
  const auto reader = bench.reader_of("stuck");
  bench.wait_for(stuck);
  CHECK(stuck->result->has_value());
}

TEST_CASE("A worker that dies gives an error, and the next task another worker") {
  Bench bench;
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const auto stuck = bench.unbind("stuck");
  bench.wait_until_overdue(stuck);
  REQUIRE(::kill(stuck->pid, SIGKILL) == 0);
  bench.wait_for(stuck);
  CHECK(stuck->result->error().errno_value == ECHILD);
  CHECK(bench.pool.stuck() == 0);
  const auto fine = bench.unbind("fine");
  bench.wait_for(fine);
  CHECK(fine->result->has_value());
  // It does not stay behind as a zombie either.
  run_until(bench.io, [&] { return ::kill(stuck->pid, 0) != 0; });
  CHECK(errno == ESRCH);
}

TEST_CASE("A worker that died while it had nothing to do is replaced, and no task is lost") {
  Bench bench;
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const auto stuck = bench.unbind("stuck");
  bench.wait_until_overdue(stuck);
  {
    const auto reader = bench.reader_of("stuck");
    bench.wait_for(stuck);
  }
  REQUIRE(::kill(stuck->pid, SIGKILL) == 0);  // it is idle now
  run_until(bench.io, [&] { return ::kill(stuck->pid, 0) != 0; });
  for (int count = 0; count < 8; ++count) {
    const auto fine = bench.unbind("fine");
    bench.wait_for(fine);
    CHECK(fine->result->has_value());
  }
}

TEST_CASE("Many tasks run side by side") {
  Bench bench(patient);
  for (int index = 0; index < 12; ++index) bench.make_hanging("stuck" + std::to_string(index));
  REQUIRE(bench.pool.start());
  std::vector<std::shared_ptr<Call>> calls;
  for (int index = 0; index < 12; ++index) calls.push_back(bench.unbind("stuck" + std::to_string(index)));
  // Let go of in the other order: each has a worker of its own.
  for (int index = 12; index-- > 0;) {
    const auto reader = bench.reader_of("stuck" + std::to_string(index));
    bench.wait_for(calls[static_cast<std::size_t>(index)]);
    CHECK(calls[static_cast<std::size_t>(index)]->result->has_value());
  }
}

TEST_CASE("With every worker at work, tasks wait their turn, and too many are refused") {
  Bench bench(patient, 2, 3);
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  std::vector<std::shared_ptr<Call>> stuck{bench.unbind("stuck"), bench.unbind("stuck")};
  std::vector<std::shared_ptr<Call>> waiting;
  for (int count = 0; count < 3; ++count) waiting.push_back(bench.unbind("fine"));
  const auto refused = bench.unbind("fine");
  bench.wait_for(refused);
  CHECK(refused->result->error().code == sysfs::ErrorCode::TooBusy);
  const auto reader = bench.reader_of("stuck");
  for (const auto& call : waiting) bench.wait_for(call);
  for (const auto& call : stuck) bench.wait_for(call);
  for (const auto& call : waiting) CHECK(call->result->has_value());
}

TEST_CASE("When every worker is stuck, a task does not wait for ever") {
  Bench bench(std::chrono::milliseconds(20), 2);
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const auto first = bench.unbind("stuck");
  const auto second = bench.unbind("stuck");
  const auto early = bench.unbind("fine");  // before anybody knows that the others are stuck
  bench.wait_until_overdue(first);
  bench.wait_until_overdue(second);
  bench.wait_for(early);
  CHECK(early->result->error().code == sysfs::ErrorCode::TooBusy);
  const auto late = bench.unbind("fine");
  bench.wait_for(late);
  CHECK(late->result->error().code == sysfs::ErrorCode::TooBusy);
  const auto reader = bench.reader_of("stuck");
  bench.wait_for(first);
  bench.wait_for(second);
  const auto after = bench.unbind("fine");
  bench.wait_for(after);
  CHECK(after->result->has_value());
}

TEST_CASE("When the only worker dies, what waited for it is done by another") {
  Bench bench(std::chrono::milliseconds(200), 1);
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const Asker reader{.name = "uid 1000"};
  const auto first = bench.unbind("stuck", reader);
  bench.wait_until_overdue(first);  // of two workers one is left
  const auto second = bench.unbind("stuck", reader);
  const auto waiting = bench.unbind("fine", reader);
  REQUIRE(::kill(first->pid, SIGKILL) == 0);
  bench.wait_for(first);
  CHECK(first->result->error().errno_value == ECHILD);
  CHECK_FALSE(waiting->result.has_value());
  bench.wait_until_overdue(second);
  bench.wait_for(waiting);
  CHECK(waiting->result->has_value());
  REQUIRE(::kill(second->pid, SIGKILL) == 0);
  bench.wait_for(second);
}

TEST_CASE("What readers ask takes no worker from those who change things, from devbindd itself, or from an operation") {
  Bench bench(std::chrono::milliseconds(20));
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const Asker reader{.name = "uid 1000"};
  const Asker root{.name = "uid 0", .may_change = true};
  std::vector<std::shared_ptr<Call>> asked{bench.unbind("stuck", reader), bench.unbind("stuck", reader)};
  for (const auto& call : asked) bench.wait_until_overdue(call);
  const auto late = bench.unbind("fine", reader);
  bench.wait_for(late);
  CHECK(late->result->error().code == sysfs::ErrorCode::TooBusy);
  const auto roots = bench.unbind("fine", root);
  bench.wait_for(roots);
  CHECK(roots->result->has_value());

  asked.push_back(bench.unbind("stuck", root));
  bench.wait_until_overdue(asked.back());
  const auto roots_late = bench.unbind("fine", root);
  bench.wait_for(roots_late);
  CHECK(roots_late->result->error().code == sysfs::ErrorCode::TooBusy);
  const auto own = bench.unbind("fine");
  bench.wait_for(own);
  CHECK(own->result->has_value());
  const auto lane = bench.pool.open_lane();
  REQUIRE(lane);
  const auto step = Bench::unbind(*lane, "fine");
  bench.wait_for(step);
  CHECK(step->result->has_value());
  const auto reading = bench.reader_of("stuck");
  for (const auto& call : asked) bench.wait_for(call);
}

TEST_CASE("Lanes are counted until they are over and their last task is, and each has its worker from the beginning") {
  Bench bench(std::chrono::milliseconds(20), 1);
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  auto first = bench.pool.open_lane();
  auto second = bench.pool.open_lane();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(bench.pool.open_lane().error().code == sysfs::ErrorCode::TooBusy);
  // A worker that dies is replaced: the lane's next task is done.
  const auto dying = Bench::unbind(*first, "stuck");
  bench.wait_until_overdue(dying);
  REQUIRE(::kill(dying->pid, SIGKILL) == 0);
  bench.wait_for(dying);
  CHECK(dying->result->error().errno_value == ECHILD);
  const auto next = Bench::unbind(*first, "fine");
  bench.wait_for(next);
  CHECK(next->result->has_value());
  // One that is over while its task hangs is over when that is.
  const auto hanging = Bench::unbind(*second, "stuck");
  bench.wait_until_overdue(hanging);
  second = RunTask{};
  CHECK(bench.pool.open_lane().error().code == sysfs::ErrorCode::TooBusy);
  const auto reading = bench.reader_of("stuck");
  bench.wait_for(hanging);
  CHECK(bench.pool.open_lane().has_value());
  first = RunTask{};
  const auto third = bench.pool.open_lane();
  const auto fourth = bench.pool.open_lane();
  CHECK(third.has_value());
  CHECK(fourth.has_value());
}

// Those of earlier tests that nobody has reaped are among them. Source: proc(5), CONFIG_PROC_CHILDREN.
std::set<std::string> own_children() {
  std::ifstream file("/proc/self/task/" + std::to_string(::gettid()) + "/children");
  REQUIRE(file);
  std::set<std::string> children;
  for (std::string pid; file >> pid;) children.insert(pid);
  return children;
}

TEST_CASE("The daemon's thread starts no process while it has others to answer") {
  const auto before = own_children();
  Bench bench(patient);
  REQUIRE(bench.pool.start());
  const auto first = bench.pool.open_lane();
  const auto second = bench.pool.open_lane();
  REQUIRE(first);
  REQUIRE(second);
  const auto one = Bench::unbind(*first, "fine");
  const auto another = Bench::unbind(*second, "fine");
  bench.wait_for(one);
  bench.wait_for(another);
  CHECK(is_done(one));
  CHECK(is_done(another));
  // The first one is of start(), before there is anybody.
  const auto after = own_children();
  CHECK(std::ranges::count_if(after, [&before](const auto& pid) { return !before.contains(pid); }) == 1);
}

TEST_CASE("A lane whose worker cannot be started says so at its task, and has one when it can") {
  TemporaryDirectory directory;
  const auto program = directory.path() / "worker";
  fs::create_symlink(worker_program, program);
  fs::create_directories(directory.path() / "sys/bus/pci/drivers/fine");
  std::ofstream(directory.path() / "sys/bus/pci/drivers/fine/unbind") << "";
  boost::asio::io_context io;
  WorkerPool pool(io,
                  {.command = {program.string(), directory.path().string(), (directory.path() / "locks").string()}});
  REQUIRE(pool.start());
  fs::remove(program);
  const auto with_worker = pool.open_lane();
  const auto without = pool.open_lane();
  REQUIRE(without);
  auto result = Bench::unbind(*without, "fine");
  run_until(io, [&result] { return result->result.has_value(); });
  CHECK(result->result->error().errno_value == ENOENT);
  fs::create_symlink(worker_program, program);
  result = Bench::unbind(*without, "fine");
  run_until(io, [&result] { return result->result.has_value(); });
  CHECK(is_done(result));
}

TEST_CASE("What waits for a worker to be started has one that is done before") {
  Bench bench(patient);
  REQUIRE(bench.pool.start());
  auto lane = bench.pool.open_lane();
  bench.pool.run({ReadVfioFacts{}}, {.on_overdue = [](int) {}, .on_result = [](const TaskResult&) {}});
  const auto waits = bench.unbind("fine");
  lane = sysfs::fail(sysfs::ErrorCode::TooBusy, "over");  // its worker is free now
  bench.wait_for(waits);
  CHECK(is_done(waits));
}

TEST_CASE("A process that had ended before it was known of is reaped") {
  boost::asio::io_context io;
  const auto children = std::make_shared<Children>(io);
  const auto pid = ::fork();
  if (pid == 0) ::_exit(0);
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) == 0);
  children->add(pid);
  CHECK(::waitpid(pid, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("A program that cannot be started is an error of start and of the task") {
  boost::asio::io_context io;
  WorkerPool pool(io, {.command = {"/nonexistent/worker"}});
  CHECK(pool.start().error().errno_value == ENOENT);
  std::optional<TaskResult> result;
  pool.run({ReadVfioFacts{}},
           {.on_overdue = [](int) {}, .on_result = [&](TaskResult got) { result = std::move(got); }});
  CHECK_FALSE(result.has_value());
  run_until(io, [&] { return result.has_value(); });
  CHECK(result->error().errno_value == ENOENT);
}

TEST_CASE("A program that is no worker gives an error and no hang") {
  boost::asio::io_context io;
  WorkerPool pool(io, {.command = {"/bin/true"}});
  REQUIRE(pool.start());
  std::optional<TaskResult> result;
  pool.run({ReadVfioFacts{}},
           {.on_overdue = [](int) {}, .on_result = [&](TaskResult got) { result = std::move(got); }});
  run_until(io, [&] { return result.has_value(); });
  CHECK_FALSE(result->has_value());
}

TEST_CASE("A worker that answers another task than it was given is lost, and its task fails") {
  std::array<char, 8> kind{};
  std::snprintf(kind.data(), kind.size(), "\\%03zo", kind_of<OpenNodes>);
  boost::asio::io_context io;
  const auto script =
      "head -c 1 <&3 >/dev/null; printf '\\002\\000\\000\\000\\001" + std::string(kind.data()) + "' >&3; read rest <&3";
  WorkerPool pool(io, {.command = {"/bin/sh", "-c", script}});
  REQUIRE(pool.start());
  const auto ask_for = [&](TaskWork work) {
    std::optional<TaskResult> result;
    pool.run({std::move(work)},
             {.on_overdue = [](int) {}, .on_result = [&](TaskResult got) { result = std::move(got); }});
    run_until(io, [&] { return result.has_value(); });
    return *result;
  };
  CHECK(ask_for(ReadVfioFacts{}).error().errno_value == ECHILD);
  CHECK(ask_for(OpenNodes{}).has_value());
}

TEST_CASE("A sign of life comes though all other workers are stuck, and not from workers that are stopped",
          "[watchdog]") {
  Bench bench(std::chrono::milliseconds(200), 1, 1);
  bench.make_hanging("stuck");
  REQUIRE(bench.pool.start());
  const auto stuck = bench.unbind("stuck");
  bench.wait_until_overdue(stuck);
  int answers = 0;
  const auto ping = [&] { bench.pool.ping([&answers] { ++answers; }); };
  ping();
  ping();  // the first one is on its way: nothing is asked
  run_until(bench.io, [&] { return answers == 1; });
  CHECK(bench.pool.use().stuck == 1);
  CHECK(bench.pool.use().idle >= 1);
  const auto locks = open_worker_locks((bench.directory.path() / "locks").string());
  REQUIRE(locks);
  const auto send_all = [&locks](int signal) {
    for (const auto pid : lock_holders(*locks)) ::kill(pid, signal);
  };
  for (std::size_t silent = 2; silent <= 3; ++silent) {
    while (bench.pool.use().stuck < silent) {  // one that was being started answers
      const int before = answers;
      send_all(SIGSTOP);
      ping();
      run_until(bench.io, [&] { return bench.pool.use().stuck == silent || answers > before; });
    }
  }
  const int before = answers;
  ping();  // two are stuck: nothing is asked any more
  CHECK(bench.pool.use().working == 0);
  send_all(SIGCONT);
  run_until(bench.io, [&] { return bench.pool.use().stuck == 1; });
  CHECK(answers == before + 2);
  const auto reader = bench.reader_of("stuck");
  bench.wait_for(stuck);
}

}  // namespace devbindd::worker_pool_test
