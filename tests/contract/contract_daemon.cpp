// SPDX-License-Identifier: Apache-2.0
// The daemon for contract tests: the real server, routes, handlers, engine and journal, on a kernel in memory that
// tests can hurt through standard input (control.hpp). One thread besides the journal's; worker processes are not
// started. Ends with its standard input. Prints "listening PORT TLS_PORT" first.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <csignal>
#include <iostream>
#include <stdexcept>

#include "api/handlers/route.hpp"
#include "api/http/problem.hpp"
#include "api/http/server.hpp"
#include "api/render/render_event.hpp"
#include "daemon/build_info.hpp"
#include "daemon/configuration.hpp"
#include "daemon/tls_files.hpp"
#include "tests/contract/control.hpp"
#include "tests/contract/machine.hpp"

namespace devbindd::tests {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

struct Options {
  std::string socket;
  std::string claims_socket;  ///< "" for none
  std::optional<api::TlsMaterial> tls = {};
  bool tcp_changes = false;
  bool read_only = false;
  api::AccessRules access = {};
  api::Limits limits;
  std::string state = ":memory:";  ///< the journal's file
  unsigned cards = 0;              ///< besides those of machine.cpp
};

// Of the card at 0000:05:00.0; put in force when a test says so.
handoff::Policy policy() {
  return {.name = "node-0",
          .selector = {.category = "network", .numa_node = 0},
          .driver = sysfs::DriverName::parse("vfio-pci").value(),
          .scope = handoff::Scope::Group,
          .exclude = {sysfs::parse_pci_address("0000:06:00.0").value()},
          .labels = {{"pool", "vm"}, {"rack", "7"}}};
}

class ContractDaemon {
 public:
  explicit ContractDaemon(const Options& options);
  int run();

 private:
  std::unique_ptr<handoff::Journal> open_journal();
  handoff::Engine::Services services();
  void later(std::chrono::milliseconds delay, std::function<void()> work);
  api::Context context();
  api::AccessRules rules() const;
  api::Server::Settings settings();
  void handle(const api::Request& request, api::Respond respond);
  void read_command();
  sysfs::Result<unsigned short> listen_tls();

  Options options_;
  asio::io_context io_{1};
  FakeKernel kernel_;
  FaultyTree tree_{kernel_};
  AnsweringIoctl ioctl_;
  sysfs::ModuleIndex modules_{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  FakeWorkers workers_{io_, kernel_, ioctl_, modules_};
  sysfs::Inventory inventory_{tree_};
  sysfs::DeviceNames names_;
  std::unique_ptr<handoff::Journal> journal_;
  handoff::Engine engine_;
  handoff::Claims claims_{
      engine_,
      {.watch_process = [this](std::int32_t pid,
                               std::function<void()> on_end) { return control_.watch_process(pid, std::move(on_end)); },
       .labels_of = [this](const sysfs::Device& device) { return policies_.labels_of(device); }}};
  handoff::Policies policies_{engine_, {policy()}};
  api::EventFeed events_{"f00dcafe", api::render_event,
                         [this](std::function<void()> work) { later(std::chrono::milliseconds(0), std::move(work)); }};
  handoff::KeptAnswers kept_answers_{*journal_, [](const handoff::DamagedRow&) {}};
  Control control_;
  api::Context context_;
  api::Server server_;
  asio::posix::stream_descriptor input_{io_, ::dup(STDIN_FILENO)};
  asio::streambuf commands_;
};

FakeKernel& populated(FakeKernel& kernel, const Options& options) {
  populate(kernel);
  add_cards(kernel, options.cards);
  return kernel;
}

ContractDaemon::ContractDaemon(const Options& options)
    : options_(options),
      names_(sysfs::DeviceNames::open(populated(kernel_, options_), false)),
      journal_(open_journal()),
      engine_(services()),
      control_(kernel_, tree_, workers_, engine_),
      context_(context()),
      server_(io_, settings()) {}

std::unique_ptr<handoff::Journal> ContractDaemon::open_journal() {
  auto journal = handoff::Journal::open(options_.state, "boot",
                                        [this](std::function<void()> work) { asio::post(io_, std::move(work)); });
  if (!journal) throw std::runtime_error(journal.error().message);
  return std::move(*journal);
}

handoff::Engine::Services ContractDaemon::services() {
  return {
      .tree = tree_,
      .inventory = inventory_,
      .drain_uevents =
          [this] {
            auto batch = kernel_.drain_uevents();
            batch.nodes = !batch.events.empty();  // nothing else makes them come or go
            return batch;
          },
      .run_task = workers_.run_task(),
      .journal = *journal_,
      .modules = modules_,
      .read_only = options_.read_only,
      .after = [this](std::chrono::milliseconds delay, std::function<void()> work) { later(delay, std::move(work)); },
      .permit = workers_.permit(),
      .tell = [this](const handoff::HostEvent& event) { events_.add(event); },
      .labels_of = [this](const sysfs::Device& device) { return policies_.labels_of(device); }};
}

void ContractDaemon::later(std::chrono::milliseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(io_, delay);
  timer->async_wait([timer, work = std::move(work)](error_code error) {
    if (!error) work();
  });
}

api::Context ContractDaemon::context() {
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
      .read_only = options_.read_only,
      .default_wait = std::chrono::seconds(5),
      .after = [this](std::chrono::milliseconds delay, std::function<void()> work) { later(delay, std::move(work)); },
      .not_ready = [this] { return control_.not_ready(); },
      .use = [this] { return api::ServiceUse{.connections = server_.connections()}; },
      .firmware_log = sysfs::firmware_log_from(kernel_log_lines())};
}

api::AccessRules ContractDaemon::rules() const {
  auto rules =
      options_.access.configured ? options_.access : api::default_rules(static_cast<unsigned>(::getegid()), "devbindd");
  rules.every_local_user_is_admin = options_.tcp_changes;
  return rules;
}

api::Server::Settings ContractDaemon::settings() {
  return {.limits = options_.limits,
          .access = rules(),
          .handle = [this](const api::Request& request, api::Respond respond) { handle(request, std::move(respond)); },
          .log = [this](const api::AccessRecord& record) { context_.requests.add(record); }};
}

void ContractDaemon::handle(const api::Request& request, api::Respond respond) {
  switch (control_.take_failure()) {
    case Control::Failure::None: break;
    case Control::Failure::Throw: throw std::runtime_error("asked for by the test");
    case Control::Failure::ThrowLater:
      return asio::post(io_, [respond = std::move(respond)] { throw std::runtime_error("later, for the test"); });
    case Control::Failure::Forget: return;
    case Control::Failure::AnswerTwice: {
      respond(api::problem(request, 404, "not_found", "the first answer"));
      asio::post(io_,
                 [this, respond, request] { respond(api::problem(request, 500, "internal_error", "the second")); });
      return;
    }
  }
  api::dispatch(context_, request, std::move(respond));
}

void ContractDaemon::read_command() {
  asio::async_read_until(input_, commands_, '\n', [this](error_code error, std::size_t) {
    if (error) return io_.stop();
    std::istream stream(&commands_);
    std::string line;
    std::getline(stream, line);
    std::cout << control_.perform(line) << std::endl;
    read_command();
  });
}

// 0: there is no port for it.
sysfs::Result<unsigned short> ContractDaemon::listen_tls() {
  if (!options_.tls) return static_cast<unsigned short>(0);
  if (auto done = server_.use_tls(*options_.tls); !done) return std::unexpected(done.error());
  return server_.listen_tls("127.0.0.1", 0);
}

int ContractDaemon::run() {
  control_.start_policies = [this] { policies_.start([] {}); };
  control_.fail_open = [this](const std::string& path, int errno_value) { ioctl_.open_fails(path, errno_value); };
  control_.nodes_opened = [this] { return ioctl_.opened(); };
  control_.connections = [this] { return server_.connections(); };
  const auto done = server_.listen_unix(options_.socket, 0600, std::nullopt);
  const auto port = server_.listen_tcp("127.0.0.1", 0);
  const auto claims =
      options_.claims_socket.empty() ? sysfs::Result<>() : server_.listen_claims(options_.claims_socket);
  const auto tls = listen_tls();
  if (!done || !port || !claims || !tls) {
    std::cerr << (!done ? done.error() : !port ? port.error() : !claims ? claims.error() : tls.error()).message << '\n';
    return 1;
  }
  std::cout << "listening " << *port << ' ' << *tls << std::endl;
  read_command();
  api::run(io_, [this](const std::string& what) { control_.caught(what); });
  return 0;
}

int print_routes() {
  for (const auto& route : api::routes()) std::cout << route.method << ' ' << route.pattern << '\n';
  return 0;
}

// "error NAME STATUS" and "evidence CODE", one a line.
int print_codes() {
  for (int code = 0; code <= static_cast<int>(sysfs::ErrorCode::Kernel); ++code) {
    const auto known = static_cast<sysfs::ErrorCode>(code);
    std::cout << "error " << sysfs::name_of(known) << ' ' << api::status_of(known) << '\n';
  }
  for (const auto code : handoff::evidence_codes()) std::cout << "evidence " << code << '\n';
  return 0;
}

// What the configuration has below "access".
api::AccessRules access_from(const std::string& text) {
  const auto configuration = daemon::parse_configuration("{\"access\": " + text + "}");
  if (!configuration) throw std::invalid_argument(configuration.error().pointer + " " + configuration.error().message);
  return configuration->access;
}

// What the configuration has below "tls".
api::TlsMaterial tls_from(const std::string& text) {
  const auto configuration = daemon::parse_configuration("{\"tls\": " + text + "}");
  if (!configuration) throw std::invalid_argument(configuration.error().pointer + " " + configuration.error().message);
  auto material = daemon::read_tls_files(configuration->tls.value());
  if (!material) throw std::invalid_argument(material.error().message);
  return *material;
}

std::chrono::milliseconds milliseconds(const std::string& text) { return std::chrono::milliseconds(std::stoul(text)); }

Options options_from(const std::vector<std::string>& arguments) {
  Options options;
  for (const auto& argument : arguments) {
    const auto equals = argument.find('=');
    const auto name = argument.substr(0, equals);
    const auto value = equals == std::string::npos ? std::string{} : argument.substr(equals + 1);
    if (name == "--tcp-changes")
      options.tcp_changes = true;
    else if (name == "--read-only")
      options.read_only = true;
    else if (name == "--socket")
      options.socket = value;
    else if (name == "--claims-socket")
      options.claims_socket = value;
    else if (name == "--tls")
      options.tls = tls_from(value);
    else if (name == "--access")
      options.access = access_from(value);
    else if (name == "--connections")
      options.limits.connections.all = std::stoul(value);
    else if (name == "--reserve")
      options.limits.connections.reserve = std::stoul(value);
    else if (name == "--per-transport")
      options.limits.connections.transport = std::stoul(value);
    else if (name == "--per-user")
      options.limits.connections.user = std::stoul(value);
    else if (name == "--state")
      options.state = value;
    else if (name == "--cards")
      options.cards = static_cast<unsigned>(std::stoul(value));
    else if (name == "--header-ms")
      options.limits.header_time = milliseconds(value);
    else if (name == "--body-ms")
      options.limits.body_time = milliseconds(value);
    else if (name == "--idle-ms")
      options.limits.idle_time = milliseconds(value);
    else
      throw std::invalid_argument("unknown option " + argument);
  }
  if (options.socket.empty()) throw std::invalid_argument("--socket=PATH is needed (or --routes, --codes)");
  return options;
}

}  // namespace
}  // namespace devbindd::tests

int main(int argc, char** argv) {
  using namespace devbindd::tests;
  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments == std::vector<std::string>{"--routes"}) return print_routes();
    if (arguments == std::vector<std::string>{"--codes"}) return print_codes();
    return ContractDaemon(options_from(arguments)).run();
  } catch (const std::exception& wrong) {
    std::cerr << "contract_daemon: " << wrong.what() << '\n';
    return 2;
  }
}
