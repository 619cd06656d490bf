// SPDX-License-Identifier: Apache-2.0
// devbindd: options, log, and off to the service or the worker.

#include <getopt.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "api/http/plain_text.hpp"
#include "daemon/build_info.hpp"
#include "daemon/keeper_process.hpp"
#include "daemon/service.hpp"
#include "handoff/policy/policy_import.hpp"
#include "handoff/worker/keeper_link.hpp"
#include "sysfs/kernel/lent_rights.hpp"
#include "sysfs/kernel/linux_tree.hpp"

namespace {

using namespace devbindd::daemon;

constexpr const char* default_configuration = "/etc/devbindd/devbindd.json";

constexpr const char* usage = R"(Usage: devbindd [OPTION]...
Moves PCI devices between their kernel driver and VFIO, by an HTTP API on a Unix socket.

  --config FILE    configuration (default: /etc/devbindd/devbindd.json, which may be missing)
  --check-config   check the configuration and exit: 0 good, 78 bad
  --import-policies
                   print the policies that driverctl's files and vfio-pci's ids= say, as a configuration, and exit
  --read-only      never write to the kernel: safe to try on any host
  --socket PATH    listen here, and neither on the configured sockets nor by TCP
  --keeper PATH    have the process behind this socket start the workers, and need no rights of one's own
                   (default: what the variable DEVBINDD_KEEPER says, nothing)
  --keep           be that process, for a connection that systemd passes
  --version        print the version and exit
  --help           print this and exit
)";

struct Options {
  std::string configuration = default_configuration;
  bool configuration_given = false;
  bool check = false;
  bool import = false;
  bool read_only = false;
  std::string socket;
  std::string keeper;
  bool keep = false;
};

// The exit status when there is nothing left to do, or nullopt.
std::optional<int> parse_options(int argc, char** argv, Options& options) {
  constexpr option known[] = {{"config", required_argument, nullptr, 'c'},
                              {"check-config", no_argument, nullptr, 'k'},
                              {"import-policies", no_argument, nullptr, 'i'},
                              {"read-only", no_argument, nullptr, 'r'},
                              {"socket", required_argument, nullptr, 's'},
                              {"keeper", required_argument, nullptr, 'K'},
                              {"keep", no_argument, nullptr, 'w'},
                              {"version", no_argument, nullptr, 'v'},
                              {"help", no_argument, nullptr, 'h'},
                              {nullptr, 0, nullptr, 0}};
  for (int chosen = 0; (chosen = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (chosen) {
      case 'c':
        options.configuration = optarg;
        options.configuration_given = true;
        break;
      case 'k': options.check = true; break;
      case 'i': options.import = true; break;
      case 'r': options.read_only = true; break;
      case 's': options.socket = optarg; break;
      case 'K': options.keeper = optarg; break;
      case 'w': options.keep = true; break;
      case 'v': std::printf("devbindd %s\n", build_version); return exit_ok;
      case 'h': std::fputs(usage, stdout); return exit_ok;
      default: std::fputs(usage, stderr); return exit_usage;
    }
  }
  if (optind == argc) return std::nullopt;
  std::fprintf(stderr, "devbindd: unexpected argument '%s'\n%s", argv[optind], usage);
  return exit_usage;
}

std::expected<Configuration, std::string> configuration_for(const Options& options) {
  if (!options.configuration_given && !std::filesystem::exists(options.configuration)) return Configuration{};
  auto configuration = load_configuration(options.configuration);
  if (configuration) return *configuration;
  const auto& [pointer, message] = configuration.error();
  return std::unexpected(
      devbindd::api::one_line(options.configuration + ": " + pointer + (pointer.empty() ? "" : " ") + message));
}

// The configuration with what the command line says.
std::expected<Configuration, std::string> configuration_in_force(const Options& options) {
  auto configuration = configuration_for(options);
  if (!configuration) return configuration;
  if (options.read_only) configuration->read_only = true;
  if (!options.socket.empty()) {
    // A daemon of one's own, beside the host's: it has this door and no other.
    configuration->unix_path = std::filesystem::absolute(options.socket);
    configuration->tcp.reset();
    configuration->tls.reset();
    configuration->claims_path.clear();
  }
  return configuration;
}

// Before anything else, the configuration included: it may be readable with the keeper's rights alone.
devbindd::sysfs::Result<std::optional<devbindd::handoff::KeeperConnection>> keeper_of(const Options& options) {
  const char* set_by_unit = std::getenv("DEVBINDD_KEEPER");
  const auto path = options.keeper.empty() && set_by_unit != nullptr ? std::string(set_by_unit) : options.keeper;
  if (path.empty() || options.keep) return std::nullopt;
  auto connection = devbindd::handoff::connect_to_keeper(path, build_version);
  if (!connection) return std::unexpected(connection.error());
  if (connection->configuration != options.configuration) {
    return devbindd::sysfs::fail(devbindd::sysfs::ErrorCode::Kernel,
                                 "this process goes by " + options.configuration +
                                     ", and the one that starts its workers by " + connection->configuration +
                                     ": a drop-in for devbindd-keeper@.service gives that the same --config",
                                 EINVAL, options.configuration);
  }
  devbindd::sysfs::borrow_rights_through(std::move(connection->rights));
  return std::move(*connection);
}

/// The message as one line: the names of processes and files in it may hold line ends, and would make lines of their
/// own.
class OneLine final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const auto text = devbindd::api::one_line({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override { return std::make_unique<OneLine>(); }
};

// Under systemd the priority goes before the line and the journal takes the time from itself.
void set_up_log(const Configuration& configuration) {
  spdlog::set_default_logger(spdlog::stderr_logger_st("devbindd"));
  spdlog::set_level(spdlog::level::from_str(configuration.log_level));
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<OneLine>('*').set_pattern(journal ? "%l: %*" : "%Y-%m-%dT%H:%M:%S.%e %l: %*");
  spdlog::set_formatter(std::move(formatter));
}

// What no policy can say goes to standard error: the output is a configuration as it stands.
int print_policies() {
  const auto tree = devbindd::sysfs::LinuxTree::open("/");
  if (!tree) {
    std::fprintf(stderr, "devbindd: %s\n", tree.error().message.c_str());
    return exit_failure;
  }
  const auto import = devbindd::handoff::import_policies(*tree, {});
  for (const auto& sentence : import.left_out)
    std::fprintf(stderr, "devbindd: left out: %s\n", devbindd::api::one_line(sentence).c_str());
  std::printf("%s\n", devbindd::handoff::configuration_of(import.policies).c_str());
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  // Before getopt, which would move the arguments: the last one is room for what the worker shows of its work.
  const std::string_view first = argc == 4 ? argv[1] : "";
  if (first == "--worker" || first == "--permitted-worker")
    return run_worker_process(argv[2], {argv[3], std::strlen(argv[3])}, first == "--permitted-worker");
  Options options;
  if (const auto status = parse_options(argc, argv, options)) return *status;
  if (options.import) return print_policies();
  auto keeper = keeper_of(options);
  if (!keeper) {
    std::fprintf(stderr, "devbindd: %s\n", keeper.error().message.c_str());
    return exit_failure;
  }
  const auto configuration = configuration_in_force(options);
  if (!configuration) {
    std::fprintf(stderr, "devbindd: %s\n", configuration.error().c_str());
    return exit_configuration;
  }
  if (options.check) {
    std::printf("%s: good\n", options.configuration.c_str());
    return exit_ok;
  }
  set_up_log(*configuration);
  if (options.keep) return run_keeper_process(*configuration, options.configuration);
  return run_service(
      *configuration, {"/proc/self/exe", "--worker"}, [&] { return configuration_in_force(options); },
      std::move(*keeper));
}
