// SPDX-License-Identifier: Apache-2.0
#include "daemon/service.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <csignal>
#include <cstdlib>
#include <set>
#include <utility>

#include "api/context/context.hpp"
#include "api/handlers/route.hpp"
#include "api/http/server.hpp"
#include "api/render/cdi_files.hpp"
#include "api/render/render_event.hpp"
#include "daemon/aside_thread.hpp"
#include "daemon/audit_log.hpp"
#include "daemon/build_info.hpp"
#include "daemon/claim_files.hpp"
#include "daemon/departure.hpp"
#include "daemon/doors.hpp"
#include "daemon/keeper_process.hpp"
#include "daemon/kernel_watch.hpp"
#include "daemon/later.hpp"
#include "daemon/limited_log.hpp"
#include "daemon/privileged.hpp"
#include "daemon/process_watch.hpp"
#include "daemon/reload.hpp"
#include "daemon/state_files.hpp"
#include "daemon/status_line.hpp"
#include "daemon/supervisor.hpp"
#include "handoff/claim/claims.hpp"
#include "handoff/operation/engine.hpp"
#include "handoff/policy/policies.hpp"
#include "handoff/worker/leftover_workers.hpp"
#include "handoff/worker/worker_lock.hpp"
#include "handoff/worker/worker_pool.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/kernel_log.hpp"
#include "sysfs/kernel/linux_tree.hpp"

namespace devbindd::daemon {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t most_firmware_lines = 64;  // of the kernel's log

// What tells the events of this daemon from those of an earlier one.
std::string new_epoch() { return boost::uuids::to_string(boost::uuids::random_generator()()).substr(0, 8); }

// Everything that lives as long as the daemon, in the order in which it must go: first what uses, then what is used.
class Service {
 public:
  Service(const Configuration& configuration, sysfs::LinuxTree& tree, std::vector<std::string> worker,
          ReadConfiguration read_again, std::optional<handoff::KeeperConnection> keeper)
      : configuration_(configuration),
        read_again_(std::move(read_again)),
        tree_(tree),
        inventory_(
            tree, [this](const sysfs::PciAddress& address, bool begin) { return watch_.watch_device(address, begin); }),
        names_(sysfs::DeviceNames::open(tree)),
        privileged_(io_, std::move(keeper), cdi_files_of(configuration), keeper_hooks()),
        pool_(io_, {.command = worker_command(std::move(worker), configuration),
                    .start_elsewhere = privileged_.start_worker(),
                    .step_deadline = configuration.step_deadline}) {}

  int run();

 private:
  std::vector<handoff::LeftoverWorker> leftovers() const;
  sysfs::Result<> start_parts();
  handoff::Engine::Services engine_services();
  sysfs::Result<> listen();
  KernelWatch::Hooks watch_hooks();
  handoff::KeeperLink::Hooks keeper_hooks();
  void watch_signals();
  void reload();
  void stop();
  api::ServiceUse use() const;
  void fill_context();
  void look_soon();
  std::string what_goes_on() const;
  void show_soon();
  void start_claims();
  void log_audit(const handoff::AuditRow& row);
  void look_at_policies(const handoff::Claim& claim);
  void announce();

  const Configuration& configuration_;
  ReadConfiguration read_again_;
  sysfs::LinuxTree& tree_;
  asio::io_context io_{1};
  LimitedLog log_{io_};
  sysfs::Inventory inventory_;
  sysfs::DeviceNames names_;
  sysfs::ModuleIndex modules_;
  KernelWatch watch_{io_, tree_, watch_hooks()};
  bool to_look_ = false;    ///< look_soon() is about to
  bool announced_ = false;  ///< systemd knows that the daemon is ready
  bool to_show_ = false;    ///< show_soon() is about to
  api::EventFeed events_{new_epoch(), api::render_event,
                         [this](std::function<void()> work) { boost::asio::post(io_, std::move(work)); }};
  Privileged privileged_;
  bool keeper_lost_ = false;
  handoff::WorkerPool pool_;
  sysfs::FileDescriptor worker_locks_;
  std::unique_ptr<handoff::Journal> journal_;
  std::unique_ptr<handoff::Engine> engine_;
  std::unique_ptr<handoff::Claims> claims_;
  std::unique_ptr<handoff::Policies> policies_;
  std::unique_ptr<handoff::KeptAnswers> kept_answers_;
  std::unique_ptr<api::Context> context_;
  std::unique_ptr<api::Server> server_;
  asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGHUP};
  Supervisor supervisor_{io_};
  Departure departure_{io_};
  AsideThread aside_{io_};  ///< for reads of the whole host; it ends first
};

std::vector<handoff::LeftoverWorker> Service::leftovers() const {
  if (!worker_locks_) return {};
  return handoff::leftover_workers(tree_, handoff::lock_holders(worker_locks_), privileged_.parent_of_workers());
}

KernelWatch::Hooks Service::watch_hooks() {
  return {.on_readable =
              [this] {
                engine_->take(watch_.drain());
                look_soon();
              },
          .on_events =
              [this](const sysfs::UeventBatch& batch) {
                if (claims_) claims_->take(batch);
                if (policies_) policies_->take(batch);
              },
          .on_nodes =
              [this] {
                if (claims_) claims_->nodes_changed();
              },
          .on_mounts = [this](const auto& numbers) { engine_->view().tell_of_disks(numbers); }};
}

// Nothing can be done without it; systemd starts a new daemon, which finds a new keeper and the journal.
handoff::KeeperLink::Hooks Service::keeper_hooks() {
  return {.on_lost =
              [this](const std::string& why) {
                spdlog::error("the process that starts workers is gone: {}", why);
                keeper_lost_ = true;
                io_.stop();
              },
          .on_refused =
              [this](const std::string& message) {
                log_.write(spdlog::level::err, "the process that starts workers gives no permit: " + message);
              }};
}

handoff::Engine::Services Service::engine_services() {
  return {
      .tree = tree_,
      .inventory = inventory_,
      .drain_uevents = [this] { return watch_.drain(); },
      .run_task = privileged_.settled(handoff::RunTask([this](handoff::Task task, handoff::TaskCallbacks callbacks) {
        pool_.run(std::move(task), std::move(callbacks));
      })),
      .journal = *journal_,
      .modules = modules_,
      .read_only = configuration_.read_only,
      .boot_id = tree_.read("proc/sys/kernel/random/boot_id").value_or(""),
      .leftovers = [this] { return leftovers(); },
      .end_leftover = [this](std::int32_t pid) { privileged_.end_leftover(pid); },
      .after = [this](std::chrono::milliseconds delay,
                      std::function<void()> work) { run_later(io_, delay, std::move(work)); },
      .open_lane = privileged_.settled(handoff::OpenLane([this] { return pool_.open_lane(); })),
      .permit = privileged_.permit(),
      .tell =
          [this](const handoff::HostEvent& event) {
            events_.add(event);
            show_soon();
          },
      .labels_of =
          [this](const sysfs::Device& device) { return policies_ ? policies_->labels_of(device) : handoff::Labels{}; },
      .inform = [this](const std::string& message) { log_.write(spdlog::level::info, message); },
      .warn = [this](const std::string& message) { log_.write(spdlog::level::warn, message + ", ignoring"); }};
}

// Those who follow hear of a change though nobody asks. A burst of events is looked at once.
void Service::look_soon() {
  if (std::exchange(to_look_, true)) return;
  run_later(io_, std::chrono::milliseconds(5), [this] {
    to_look_ = false;
    engine_->view().look();
  });
}

api::ServiceUse Service::use() const {
  const auto& losses = watch_.losses();
  return {.connections = server_ ? server_->connections() : 0,
          .workers = pool_.use(),
          .kernel_losses = {{"uevents", losses.uevents}, {"network", losses.network}, {"files", losses.files}}};
}

std::string Service::what_goes_on() const {
  WhatGoesOn facts{.devices = inventory_.devices().size(),
                   .read_only = configuration_.read_only,
                   .operations = engine_->operations().running()};
  for (const auto* claim : claims_->all()) {
    facts.claims += claim->state == handoff::ClaimState::Active ? 1 : 0;
    facts.quarantined += claim->state == handoff::ClaimState::Quarantined ? 1 : 0;
  }
  return status_line(facts);
}

// For `systemctl status`, a few times a second at most.
void Service::show_soon() {
  if (!announced_ || std::exchange(to_show_, true)) return;
  run_later(io_, std::chrono::milliseconds(100), [this] {
    to_show_ = false;
    if (engine_->accepting()) supervisor_.status(what_goes_on());
  });
}

void Service::fill_context() {
  context_ = std::make_unique<api::Context>(api::Context{
      .engine = *engine_,
      .claims = *claims_,
      .policies = *policies_,
      .kept_answers = *kept_answers_,
      .events = events_,
      .names = names_,
      .version = build_version,
      .boot_id = tree_.read("proc/sys/kernel/random/boot_id").value_or(""),
      .openapi = std::string(openapi_text()),
      .openapi_json = std::string(openapi_json()),
      .read_only = configuration_.read_only,
      .default_wait = configuration_.request_wait,
      .after = [this](std::chrono::milliseconds delay,
                      std::function<void()> work) { run_later(io_, delay, std::move(work)); },
      .not_ready = [this]() -> std::string {
        const auto inventory = engine_->current();
        return inventory ? std::string{} : inventory.error().message;
      },
      .run_aside = [this](std::function<void()> work,
                          std::function<void()> done) { aside_.run(std::move(work), std::move(done)); },
      .use = [this] { return use(); },
      .firmware_log =
          sysfs::firmware_log_from(sysfs::kernel_log_lines(sysfs::firmware_log_words(), most_firmware_lines))});
}

// A claim that has ended was in their way, or has given a device back to where it was before the policy. VFs are made
// by the policy of their physical function.
void Service::look_at_policies(const handoff::Claim& claim) {
  if (!policies_) return;
  std::set<sysfs::PciAddress> addresses;
  for (const auto& claimed : claim.devices) {
    const auto* device = inventory_.find(claimed.address);
    if (device == nullptr) continue;
    addresses.insert(claimed.address);
    if (device->physfn) addresses.insert(*device->physfn);
  }
  boost::asio::post(io_, [this, addresses] { policies_->look_again({addresses.begin(), addresses.end()}); });
}

void Service::log_audit(const handoff::AuditRow& row) {
  if (log_.admit(kind_of(row))) send_to_journal(journal_fields(row));
}

void Service::start_claims() {
  claims_ = std::make_unique<handoff::Claims>(
      *engine_,
      handoff::Claims::Hooks{
          .watch_process = [this](std::int32_t pid,
                                  std::function<void()> on_end) { return watch_process(io_, pid, std::move(on_end)); },
          .publish = [this](const handoff::Claim& claim,
                            Privileged::Done done) { publish_claim(*engine_, privileged_, claim, std::move(done)); },
          .withdraw = [this](const handoff::Claim& claim,
                             Privileged::Done done) { withdraw_claim(privileged_, claim, std::move(done)); },
          .freed = [this](const handoff::Claim& claim) { look_at_policies(claim); },
          .labels_of =
              [this](const sysfs::Device& device) {
                return policies_ ? policies_->labels_of(device) : handoff::Labels{};
              }});
  claims_->start();
  keep_files_of(*claims_, privileged_);
}

sysfs::Result<> Service::start_parts() {
  watch_.open();
  auto locks = open_state(configuration_);
  if (!locks) return std::unexpected(locks.error());
  worker_locks_ = std::move(*locks);
  if (auto done = pool_.start(); !done) return done;
  auto journal = open_journal(configuration_, tree_, io_);
  if (!journal) return std::unexpected(journal.error());
  journal_ = std::move(*journal);
  if (std::getenv("JOURNAL_STREAM") != nullptr) journal_->when_audited([this](const auto& row) { log_audit(row); });
  engine_ = std::make_unique<handoff::Engine>(engine_services());
  if (auto first = engine_->current(); !first) return std::unexpected(first.error());
  engine_->start_recovery();
  start_claims();
  policies_ = std::make_unique<handoff::Policies>(
      *engine_, configuration_.read_only ? std::vector<handoff::Policy>{} : configuration_.policies);
  kept_answers_ = std::make_unique<handoff::KeptAnswers>(
      *journal_, [this](const handoff::DamagedRow& row) { engine_->damaged_rows().set_aside(row); });
  fill_context();
  return listen();
}

sysfs::Result<> Service::listen() {
  const auto group = socket_group(configuration_);
  if (!group && !configuration_.unix_group.empty() && !configuration_.read_only) {
    spdlog::warn("there is no group '{}': only root may use the socket, ignoring", configuration_.unix_group);
  }
  server_ = std::make_unique<api::Server>(
      io_, api::Server::Settings{
               .limits = {},
               .access = access_of(configuration_),
               .handle = [this](const api::Request& request,
                                api::Respond respond) { api::dispatch(*context_, request, std::move(respond)); },
               .log =
                   [this](const api::AccessRecord& record) {
                     context_->requests.add(record);
                     log_.write(record);
                   },
               .tls_refused =
                   [this](const std::string& address, const std::string& why) {
                     log_.write(spdlog::level::warn,
                                "a TLS client at " + address + " was not let in: " + why + ", ignoring");
                   }});
  return open_doors(*server_, configuration_, group);
}

void Service::watch_signals() {
  signals_.async_wait([this](error_code error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      reload();
      return watch_signals();
    }
    spdlog::info("stopping on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    stop();
  });
}

void Service::reload() {
  supervisor_.reloading();
  use_again(*server_, configuration_, read_again_());
  supervisor_.ready(what_goes_on());
}

void Service::stop() {
  supervisor_.stopping();
  engine_->stop_accepting();
  server_->stop();
  departure_.begin([this] { return engine_->operations().is_busy(); },
                   std::chrono::steady_clock::now() + configuration_.shutdown_wait);
}

int Service::run() {
  if (auto done = start_parts(); !done) {
    spdlog::error("{}", done.error().message);
    return exit_failure;
  }
  watch_.start();
  watch_signals();
  supervisor_.start([this](std::function<void()> answered) { pool_.ping(std::move(answered)); });
  // Units that are ordered after this one find the policies in force.
  policies_->start([this] { announce(); });
  api::run(io_, [this](const std::string& what) {
    log_.write(spdlog::level::err, "devbindd failed at a task and goes on: " + what);
  });
  if (pool_.stuck() > 0)
    spdlog::warn("{} worker processes are stuck in the kernel and left to themselves, ignoring", pool_.stuck());
  return keeper_lost_ ? exit_failure : exit_ok;
}

void Service::announce() {
  supervisor_.ready(what_goes_on());
  announced_ = true;
  spdlog::info("devbindd {} is ready: {} PCI devices{}", build_version, inventory_.devices().size(),
               configuration_.read_only ? ", read-only" : "");
}

}  // namespace

int run_service(const Configuration& configuration, std::vector<std::string> worker, ReadConfiguration read_again,
                std::optional<handoff::KeeperConnection> keeper) {
  std::signal(SIGPIPE, SIG_IGN);
  auto tree = sysfs::LinuxTree::open("/");
  if (!tree) {
    spdlog::error("{}", tree.error().message);
    return exit_failure;
  }
  return Service(configuration, *tree, std::move(worker), std::move(read_again), std::move(keeper)).run();
}

}  // namespace devbindd::daemon
