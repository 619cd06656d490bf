// SPDX-License-Identifier: Apache-2.0
// The daemon that is attacked: the real server, handlers, engine, claims, journal on disk and worker processes, with
// the daemon's own limits, on a directory instead of the kernel's file systems (host_directory.hpp). Everybody may
// connect; root and one group may change things, over TCP nobody may. Prints "listening PORT" when it is ready, and
// ends with its standard input.
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>

#include "api/handlers/route.hpp"
#include "api/http/server.hpp"
#include "api/render/render_event.hpp"
#include "daemon/aside_thread.hpp"
#include "daemon/build_info.hpp"
#include "daemon/limited_log.hpp"
#include "handoff/worker/worker_pool.hpp"
#include "sysfs/kernel/linux_tree.hpp"
#include "tests/attack/host_directory.hpp"

namespace devbindd::tests {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

struct Options {
  std::string socket;
  std::string claims_socket;
  std::string host;                ///< an empty directory that becomes the host
  std::string state = ":memory:";  ///< the journal's file
  std::string log;                 ///< file; "" for none
  std::string worker;              ///< the program test_worker
  unsigned cards = 64;
  unsigned claimable = 64;  ///< cards of their own, for claims by selector
  std::optional<unsigned> group;
  api::Limits limits;
  handoff::AuditLimits audit;
};

sysfs::LinuxTree host_of(const Options& options) {
  make_host(options.host);
  add_cards(options.host, {.count = options.cards, .domain = 0, .device = "0x10d3", .first_group = 1'000'000});
  add_cards(options.host, {.count = options.claimable, .domain = 1, .device = "0x1521", .first_group = 2'000'000});
  auto tree = sysfs::LinuxTree::open(options.host);
  if (!tree) throw std::runtime_error(tree.error().message);
  return std::move(*tree);
}

class AttackDaemon {
 public:
  explicit AttackDaemon(const Options& options);
  int run();

 private:
  std::unique_ptr<handoff::Journal> open_journal();
  handoff::Engine::Services services();
  handoff::RunTask telling(handoff::RunTask run);
  sysfs::Result<handoff::RunTask> open_lane();
  void later(std::chrono::milliseconds delay, std::function<void()> work);
  api::Context context();
  api::Server::Settings settings();
  void end_with_input();

  const Options& options_;
  asio::io_context io_{1};
  daemon::LimitedLog log_{io_};
  sysfs::LinuxTree tree_;
  sysfs::ModuleIndex modules_{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  handoff::WorkerPool pool_;
  sysfs::Inventory inventory_{tree_};
  sysfs::DeviceNames names_;
  sysfs::UeventBatch told_;  ///< what steps have changed, and nobody has taken yet
  std::unique_ptr<handoff::Journal> journal_;
  handoff::Engine engine_;
  handoff::Claims claims_;
  handoff::Policies policies_{engine_, {}};
  api::EventFeed events_{"f00dcafe", api::render_event,
                         [this](std::function<void()> work) { later(std::chrono::milliseconds(0), std::move(work)); }};
  handoff::KeptAnswers kept_answers_{*journal_, [](const handoff::DamagedRow&) {}};
  api::Context context_;
  api::Server server_;
  asio::posix::stream_descriptor input_{io_, ::dup(STDIN_FILENO)};
  std::array<char, 64> ignored_{};
  daemon::AsideThread aside_{io_};  ///< it ends first
};

AttackDaemon::AttackDaemon(const Options& options)
    : options_(options),
      tree_(host_of(options)),
      pool_(io_, {.command = {options.worker, options.host, options.host + "/locks", "drivers"}}),
      names_(sysfs::DeviceNames::open(tree_, false)),
      journal_(open_journal()),
      engine_(services()),
      claims_(engine_, {.watch_process = [](auto, auto) -> sysfs::Result<std::function<void()>> {
                return sysfs::fail(sysfs::ErrorCode::Kernel, "no process is watched here", ESRCH);
              }}),
      context_(context()),
      server_(io_, settings()) {}

std::unique_ptr<handoff::Journal> AttackDaemon::open_journal() {
  auto post = [this](std::function<void()> work) { asio::post(io_, std::move(work)); };
  auto journal = handoff::Journal::open(options_.state, "boot", std::move(post), options_.audit);
  if (!journal) throw std::runtime_error(journal.error().message);
  return std::move(*journal);
}

handoff::Engine::Services AttackDaemon::services() {
  return {
      .tree = tree_,
      .inventory = inventory_,
      .drain_uevents = [this] { return std::exchange(told_, {}); },
      .run_task = [this](handoff::Task task,
                         handoff::TaskCallbacks callbacks) { pool_.run(std::move(task), std::move(callbacks)); },
      .journal = *journal_,
      .modules = modules_,
      .boot_id = "boot",
      .after = [this](std::chrono::milliseconds delay, std::function<void()> work) { later(delay, std::move(work)); },
      .open_lane = [this] { return open_lane(); },
      .tell = [this](const handoff::HostEvent& event) { events_.add(event); }};
}

// A directory sends no uevents: what a step has changed is told when it has returned, as the kernel tells it before.
handoff::RunTask AttackDaemon::telling(handoff::RunTask run) {
  return [this, run = std::move(run)](handoff::Task task, handoff::TaskCallbacks callbacks) {
    if (const auto* work = std::get_if<handoff::PerformStep>(&task.work)) {
      const auto address = work->step.address ? sysfs::to_string(*work->step.address) : std::string();
      callbacks.on_result = [this, address, done = std::move(callbacks.on_result)](handoff::TaskResult result) {
        told_.events.push_back({.action = "change", .devpath = "/devices/" + address, .subsystem = "pci", .keys = {}});
        done(std::move(result));
      };
    }
    run(std::move(task), std::move(callbacks));
  };
}

sysfs::Result<handoff::RunTask> AttackDaemon::open_lane() {
  auto lane = pool_.open_lane();
  if (!lane) return std::unexpected(lane.error());
  return telling(std::move(*lane));
}

void AttackDaemon::later(std::chrono::milliseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(io_, delay);
  timer->async_wait([timer, work = std::move(work)](error_code error) {
    if (!error) work();
  });
}

api::Context AttackDaemon::context() {
  return {
      .engine = engine_,
      .claims = claims_,
      .policies = policies_,
      .kept_answers = kept_answers_,
      .events = events_,
      .names = names_,
      .version = daemon::build_version,
      .boot_id = "11111111-2222-4333-8444-555555555555",
      .openapi = std::string(daemon::openapi_text()),
      .openapi_json = std::string(daemon::openapi_json()),
      .after = [this](std::chrono::milliseconds delay, std::function<void()> work) { later(delay, std::move(work)); },
      .not_ready = [] { return std::string(); },
      .run_aside = [this](std::function<void()> work,
                          std::function<void()> done) { aside_.run(std::move(work), std::move(done)); }};
}

api::Server::Settings AttackDaemon::settings() {
  return {.limits = options_.limits,
          .access = api::default_rules(options_.group, "attack"),
          .handle = [this](const api::Request& request,
                           api::Respond respond) { api::dispatch(context_, request, std::move(respond)); },
          .log = [this](const api::AccessRecord& record) { log_.write(record); }};
}

void AttackDaemon::end_with_input() {
  input_.async_read_some(asio::buffer(ignored_), [this](error_code error, std::size_t) {
    if (error) return io_.stop();
    end_with_input();
  });
}

int AttackDaemon::run() {
  auto started = pool_.start();
  if (started) started = server_.listen_unix(options_.socket, 0666, std::nullopt);
  if (started) started = server_.listen_claims(options_.claims_socket);
  const auto port = server_.listen_tcp("127.0.0.1", 0);
  if (!started || !port) {
    std::cerr << (started ? port.error().message : started.error().message) << '\n';
    return 1;
  }
  if (auto known = engine_.current(); !known) throw std::runtime_error(known.error().message);
  std::cout << "listening " << *port << std::endl;
  end_with_input();
  bool failed = false;
  api::run(io_, [&failed](const std::string& what) {
    failed = true;
    std::cerr << "attack_daemon failed at a task: " << what << '\n';
  });
  return failed ? 1 : 0;
}

unsigned number(const std::string& text) { return static_cast<unsigned>(std::stoul(text)); }

Options options_from(const std::vector<std::string>& arguments) {
  Options options;
  const std::map<std::string, std::function<void(const std::string&)>> known = {
      {"--socket", [&](const std::string& value) { options.socket = value; }},
      {"--claims-socket", [&](const std::string& value) { options.claims_socket = value; }},
      {"--host", [&](const std::string& value) { options.host = value; }},
      {"--state", [&](const std::string& value) { options.state = value; }},
      {"--log", [&](const std::string& value) { options.log = value; }},
      {"--worker", [&](const std::string& value) { options.worker = value; }},
      {"--cards", [&](const std::string& value) { options.cards = number(value); }},
      {"--claimable", [&](const std::string& value) { options.claimable = number(value); }},
      {"--group", [&](const std::string& value) { options.group = number(value); }},
      {"--connections", [&](const std::string& value) { options.limits.connections.all = number(value); }},
      {"--audit-rows", [&](const std::string& value) { options.audit.rows = number(value); }}};
  for (const auto& argument : arguments) {
    const auto equals = std::min(argument.find('='), argument.size());
    const auto option = known.find(argument.substr(0, equals));
    if (option == known.end()) throw std::invalid_argument("unknown option " + argument);
    option->second(argument.substr(std::min(equals + 1, argument.size())));
  }
  if (options.socket.empty() || options.host.empty() || options.worker.empty())
    throw std::invalid_argument("--socket=PATH, --host=DIRECTORY and --worker=PROGRAM are needed");
  return options;
}

void set_up_log(const Options& options) {
  if (options.log.empty()) return spdlog::set_level(spdlog::level::off);
  spdlog::set_default_logger(spdlog::basic_logger_st("attack", options.log));
  spdlog::flush_on(spdlog::level::info);
}

}  // namespace
}  // namespace devbindd::tests

int main(int argc, char** argv) {
  using namespace devbindd::tests;
  std::signal(SIGPIPE, SIG_IGN);
  ::setsid();  // as a service has: processes of other sessions do not take their share of the processor from this one's
  try {
    const auto options = options_from({argv + 1, argv + argc});
    set_up_log(options);
    return AttackDaemon(options).run();
  } catch (const std::exception& wrong) {
    std::cerr << "attack_daemon: " << wrong.what() << '\n';
    return 2;
  }
}
