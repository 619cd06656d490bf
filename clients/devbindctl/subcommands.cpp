// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/subcommands.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "clients/api/names.hpp"

namespace devbindd::clients {
namespace {

constexpr const char* footer =
    "\nDEVICE is an address as you write it (0000:05:00.0, 05:00.0, 5:0), a network interface (eth0) or a disk "
    "(nvme0);\n"
    "GROUP the number of an IOMMU group; CLAIM the first eight characters of an id, or all.\n"
    "\nExit status: 0 done, 1 error, 2 nothing to do, 3 refused, 4 blocked (it goes on by itself);\n"
    "run ends as its command did. devbindctl(1) has the whole manual.";

const std::map<std::string, Format> formats{{"table", Format::Table},
                                            {"wide", Format::Wide},
                                            {"json", Format::Json},
                                            {"yaml", Format::Yaml},
                                            {"name", Format::Name}};

// Several words are "NAME..." in the first line of help.
class Layout : public CLI::Formatter {
 public:
  std::string make_option_usage(const CLI::Option* option) const override {
    const auto name = make_option_name(option, true) + (option->get_expected_max() > 1 ? "..." : "");
    return option->get_required() ? name : "[" + name + "]";
  }
};

}  // namespace

CommandLine::CommandLine(std::string_view first) {
  app_.formatter(std::make_shared<Layout>());
  app_.require_subcommand(1);
  app_.set_version_flag("--version", std::string("devbindctl ") + DEVBINDD_VERSION);
  app_.set_help_flag("-h,--help", "This help");
  app_.footer(footer);
  add_common();
  struct Group {
    std::vector<std::string_view> names;
    void (CommandLine::*add)();
  };
  const Group groups[]{{.names = {"status", "show", "claims", "operations", "audit", "policy", "doctor", "whoami"},
                        .add = &CommandLine::add_looks},
                       {.names = {"events", "watch"}, .add = &CommandLine::add_events},
                       {.names = {"bind", "release", "sriov"}, .add = &CommandLine::add_changes},
                       {.names = {"cordon", "uncordon", "acknowledge"}, .add = &CommandLine::add_service},
                       {.names = {"claim", "renew", "handover"}, .add = &CommandLine::add_claims},
                       {.names = {"run"}, .add = &CommandLine::add_run},
                       {.names = {"devbind"}, .add = &CommandLine::add_devbind},
                       {.names = {"driverctl"}, .add = &CommandLine::add_driverctl},
                       {.names = {"completion"}, .add = &CommandLine::add_completion}};
  const auto has_first = [first](const Group& group) {
    return std::ranges::find(group.names, first) != group.names.end();
  };
  const auto* one = std::ranges::find_if(groups, has_first);
  for (const auto& group : groups)
    if (one == std::end(groups) || one == &group) (this->*group.add)();
}

void CommandLine::add_common() {
  const char* named = std::getenv("DEVBINDD_SOCKET");
  options.socket = named != nullptr && *named != '\0' ? named : default_socket;
  app_.add_option("--socket", options.socket, "The daemon's socket; DEVBINDD_SOCKET is used without it");
  app_.add_option("-o,--output", options.format, "table, wide, json (as the API answers), yaml or name")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
  app_.add_flag("-y,--yes", options.yes, "Ask nothing: what is dangerous is done");
  app_.add_flag("--progress", options.progress, "Show each step, also where standard error is no terminal");
  app_.add_option_function<std::string>(
          "--wait",
          [this](const std::string& text) {
            const auto seconds = seconds_of(text);
            if (!seconds || *seconds > 300)
              throw CLI::ValidationError("--wait", "a time of at most 5m is wanted, and not " + text);
            options.wait_seconds = *seconds;
          },
          "How long to wait for a change (30s)")
      ->type_name("TIME");
}

CLI::App& CommandLine::add(CLI::App& parent, const std::string& name, const std::string& what, Command function) {
  auto* app = parent.add_subcommand(name, what);
  app->fallthrough();
  app->footer(footer);
  const auto whole = (&parent == &app_ ? "" : parent.get_name() + " ") + name;
  if (function != nullptr)
    app->parse_complete_callback([this, whole, function] {
      options.command = whole;
      command = function;
    });
  return *app;
}

void CommandLine::target(CLI::App& app, const std::string& name, const std::string& what, bool required) {
  app.add_option_function<std::string>(
         name, [this](const std::string& word) { options.targets.push_back(word); }, what)
      ->required(required)
      ->option_text(" ");
}

void CommandLine::targets(CLI::App& app, const std::string& name, const std::string& what, int least) {
  constexpr int most = 64;
  app.add_option(name, options.targets, what)->expected(least, most)->required(least > 0)->option_text(" ");
}

void CommandLine::time_option(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& where,
                              const std::string& what) {
  app.add_option_function<std::string>(
         name,
         [&where, name](const std::string& text) {
           where = seconds_of(text);
           if (!where) throw CLI::ValidationError(name, "a time such as 90s, 5m or 2h is wanted, and not " + text);
         },
         what)
      ->type_name("TIME");
}

void CommandLine::change_options(CLI::App& app) {
  app.add_flag("-n,--dry-run", options.dry_run, "Print what would be done, and change nothing");
  app.add_option("--accept", options.accept, "Codes of risks to accept, as a refusal names them")
      ->delimiter(',')
      ->type_name("CODE");
}

void CommandLine::add_looks() {
  auto& status_app = add(app_, "status", "All devices, or some: driver, group, state", status);
  targets(status_app, "DEVICE", "These alone", 0);
  status_app
      .add_option("-f,--filter", options.filters,
                  "NAME=VALUE of the API: driver=vfio-pci, category=network, search=82574")
      ->type_name("NAME=VALUE");
  targets(add(app_, "show", "One device, IOMMU group or claim, and who uses it", show), "DEVICE|GROUP|CLAIM",
          "What to show", 1);
  auto& claims_app = add(app_, "claims", "Who holds which devices", claims);
  claims_app.add_option("-f,--filter", options.filters, "NAME=VALUE of the API: state=active, user=vmm, label=vm=42")
      ->type_name("NAME=VALUE");
  auto& operations_app = add(app_, "operations", "What was done, and what is under way", operations);
  targets(operations_app, "ID", "One operation, with its steps", 0);
  operations_app.add_option("-f,--filter", options.filters, "NAME=VALUE of the API: state=blocked")
      ->type_name("NAME=VALUE");
  target(add(app_, "audit", "Who changed what, and what was refused", audit), "DEVICE", "Of this device alone", false);
  add(app_, "policy", "Which devices the configuration gives to which driver", policy);
  add(app_, "doctor", "Whether this host is fit; 1 where a check fails", doctor);
  add(app_, "whoami", "Who you are to the daemon, and what you may do", whoami);
}

void CommandLine::add_events() {
  auto& events_app = add(app_, "events", "Follow what changes", events);
  events_app.alias("watch");
  targets(events_app, "DEVICE|GROUP|CLAIM", "Events about these alone", 0);
  events_app.add_option("--kind", options.kinds, "Kinds of events: operation.changed")
      ->delimiter(',')
      ->type_name("KIND");
  events_app.add_option("--since", options.since, "What came after this event, too")->type_name("ID");
  events_app.add_option("-c,--count", options.count, "End after so many")->type_name("N");
}

void CommandLine::add_changes() {
  auto& bind_app = add(app_, "bind", "Give devices or groups to a driver: all of them or none", bind);
  targets(bind_app, "DEVICE|GROUP", "What to bind", 1);
  bind_app.add_option("-d,--driver", options.driver, "The driver; none takes the driver away (vfio-pci)")
      ->type_name("NAME");
  bind_app.add_flag("-g,--group", options.whole_group, "The whole IOMMU group of each device");
  change_options(bind_app);
  auto& release_app = add(app_, "release", "Give devices back as they were, or end claims", release);
  targets(release_app, "DEVICE|GROUP|CLAIM", "What to give back", 1);
  release_app.add_flag("-g,--group", options.whole_group, "The whole IOMMU group of each device");
  release_app.add_flag("--when-closed", options.when_closed,
                       "Of a claim whose device is open: end it when it is closed");
  change_options(release_app);
  auto& sriov_app = add(app_, "sriov", "Show or set the virtual functions of a device", sriov);
  target(sriov_app, "DEVICE", "The physical function", true);
  sriov_app.add_option("COUNT", options.count, "How many it is to have")->type_name("");
  sriov_app.add_option("-d,--driver", options.driver, "Their driver, or none; without it the kernel chooses")
      ->type_name("NAME");
  sriov_app.add_flag("--no-autoprobe", options.no_autoprobe, "Let no driver take them by itself");
  change_options(sriov_app);
}

void CommandLine::add_service() {
  auto& cordon_app = add(app_, "cordon", "Let devices get no new claims; what they have goes on", cordon);
  targets(cordon_app, "DEVICE", "What is to be serviced", 1);
  cordon_app.add_option("-r,--reason", options.reason, "For whoever wants to claim them")->type_name("TEXT");
  targets(add(app_, "uncordon", "Let devices get claims again", uncordon), "DEVICE", "What is fit again", 1);
  target(add(app_, "acknowledge", "Free the devices of a quarantined claim; nothing is done with them", acknowledge),
         "CLAIM", "The claim", true);
}

void CommandLine::claim_options(CLI::App& app) {
  targets(app, "DEVICE", "The devices, each with its whole IOMMU group", 0);
  app.add_option("-s,--select", options.selector,
                 "Instead of devices what they must be: vendor=8086, device=10d3, category=network, numa_node=0")
      ->type_name("NAME=VALUE");
  app.add_option("--match-label", options.match_labels, "A label that a policy gives them")->type_name("NAME=VALUE");
  app.add_option("-c,--count", options.count, "How many to select (1)")->type_name("N");
  app.add_option("-u,--user", options.users, "Who may open the nodes, by name or number")
      ->delimiter(',')
      ->type_name("USER");
  app.add_option("-G,--owner-group", options.groups, "As --user, for a group")->delimiter(',')->type_name("GROUP");
  app.add_option("-d,--driver", options.driver, "Their driver on VFIO (auto)")->type_name("NAME");
  time_option(app, "--ttl", options.ttl_seconds, "It ends after this unless it is renewed");
  time_option(app, "--grace", options.grace_seconds, "How long its end waits for an open device");
  app.add_option("--reset", options.reset, "Whether devices are reset at its end")->type_name("HOW");
  app.add_flag("--keep", options.keep, "The devices stay on VFIO when it ends");
  app.add_option("-l,--label", options.labels, "For whoever looks at claims: vm=42")->type_name("NAME=VALUE");
  change_options(app);
}

void CommandLine::add_claims() {
  auto& claim_app = add(app_, "claim", "Take devices for somebody until the claim ends", claim);
  claim_options(claim_app);
  claim_app.add_option("--pid", options.pid, "It ends with this process")->type_name("PID");
  auto& renew_app = add(app_, "renew", "Prolong a claim from now on", renew);
  target(renew_app, "CLAIM", "The claim", true);
  time_option(renew_app, "--ttl", options.ttl_seconds, "From now on; without it as long as it was made for");
  auto& handover_app = add(app_, "handover", "What a consumer of a claim needs", handover);
  target(handover_app, "CLAIM", "The claim", true);
  handover_app
      .add_option("-F,--format", options.handover,
                  "env, qemu, cloud-hypervisor, dpdk, spdk, libvirt-xml, cdi, k8s-device-plugin or nomad (env)")
      ->type_name("FORMAT");
  handover_app.add_option("--backend", options.backend, "group, iommufd or auto")->type_name("WHICH");
}

void CommandLine::add_run() {
  auto& app = add(app_, "run", "Run a command that has devices for as long as it runs: run DEVICE -- COMMAND", run);
  claim_options(app);
  app.add_option_function<std::string>(
         "-m,--dma-memory",
         [this](const std::string& text) {
           options.dma_memory = size_of(text);
           if (!options.dma_memory)
             throw CLI::ValidationError("--dma-memory", "a size such as 512M or 8G is wanted, and not " + text);
         },
         "What it maps for DMA: its limit of locked memory is raised to that")
      ->type_name("SIZE");
  app.add_option("--descriptors", options.descriptors,
                 "Which open descriptors it gets, from number 3 on: auto, group, cdev, none (auto: none with {qemu} or "
                 "the like)")
      ->check(CLI::IsMember({"auto", "group", "cdev", "none"}).description(""))
      ->type_name("WHICH");
  app.footer(
      "\nIn COMMAND these words are replaced: {device} by the first address, {claim} by the id, {fd:container}, "
      "{fd:group},\n"
      "{fd:iommufd}, {fd:device} by the number of a descriptor; and the whole words {qemu}, {dpdk}, {spdk} and\n"
      "{cloud-hypervisor} by what such a program wants on its command line.\n" +
      std::string(footer));
}

void CommandLine::add_devbind() {
  auto& app = add(app_, "devbind", "dpdk-devbind.py, with its options and its output", devbind);
  targets(app, "DEVICE", "Addresses, patterns of them, or interfaces", 0);
  app.add_flag("-s,--status", options.status, "Print the status of all known devices");
  app.add_option("--status-dev", options.status_of, "Print the status of one kind of devices")
      ->check(CLI::IsMember({"baseband", "compress", "crypto", "dma", "event", "mempool", "misc", "net", "regex"})
                  .description(""))
      ->type_name("KIND");
  auto* bind_option =
      app.add_option("-b,--bind", options.bind_to, "The driver to bind to, or none")->type_name("DRIVER");
  app.add_flag("-u,--unbind", options.unbind, "Unbind: the same as -b none")->excludes(bind_option);
  app.add_flag("--force", options.force, "Accept the risks that may be accepted, and say which they are");
}

void CommandLine::add_driverctl() {
  auto& app = add(app_, "driverctl", "driverctl, with its words and its output", nullptr);
  app.require_subcommand(1);
  app.add_flag("-v,--verbose", options.verbose, "Names of devices, too");
  auto& list = add(app, "list-devices", "Devices and their drivers; [*] has an override", list_devices);
  target(list, "KIND", "network, storage, display, ...", false);
  add(app, "list-overrides", "Devices with an override", list_overrides);
  auto& set = add(app, "set-override", "Give a device to a driver", set_override);
  target(set, "DEVICE", "The device", true);
  set.add_option("DRIVER", options.driver, "The driver")->required()->type_name("");
  change_options(set);
  auto& unset = add(app, "unset-override", "Give a device back", unset_override);
  target(unset, "DEVICE", "The device", true);
  change_options(unset);
}

void CommandLine::add_completion() {
  auto& app = add(app_, "completion", "The completion for a shell: source <(devbindctl completion bash)", completion);
  app.add_option("SHELL", options.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""))
      ->type_name("");
}

}  // namespace devbindd::clients
