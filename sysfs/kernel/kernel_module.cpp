// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/kernel_module.hpp"

#include <fcntl.h>
#include <libkmod.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <memory>

#include "sysfs/kernel/module_bans.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {
namespace {

struct FreeContext {
  void operator()(kmod_ctx* context) const { ::kmod_unref(context); }
};
struct FreeModule {
  void operator()(kmod_module* module) const { ::kmod_module_unref(module); }
};
struct FreeList {
  void operator()(kmod_list* list) const { ::kmod_module_unref_list(list); }
};
using Context = std::unique_ptr<kmod_ctx, FreeContext>;
using Module = std::unique_ptr<kmod_module, FreeModule>;
using List = std::unique_ptr<kmod_list, FreeList>;

// Before a name goes into a path, a unit name or libkmod. The form with underscores is the one of /sys/module and the
// one that needs no escaping in a unit name.
Result<std::string> normalized(std::string_view module) {
  const auto allowed = [](unsigned char c) { return c < 0x80 && (std::isalnum(c) != 0 || c == '-' || c == '_'); };
  if (module.empty() || module.size() > 63 || !std::ranges::all_of(module, allowed)) {
    return fail(ErrorCode::InvalidName, "not a module name: expected 1 to 63 letters, digits, '-' and '_'");
  }
  std::string name(module);
  std::ranges::replace(name, '-', '_');
  return name;
}

Context read_configuration(const ModuleIndex& index) {
  std::vector<const char*> paths;
  for (const auto& path : index.config_paths) paths.push_back(path.c_str());
  paths.push_back(nullptr);
  return Context(::kmod_new(index.directory.empty() ? nullptr : index.directory.c_str(),
                            index.config_paths.empty() ? nullptr : paths.data()));
}

Result<Context> open_index(const ModuleIndex& index) {
  auto context = read_configuration(index);
  if (!context) return fail(ErrorCode::Kernel, "libkmod cannot be set up", errno);
  ::kmod_set_log_fn(context.get(), nullptr, nullptr);
  if (const int error = ::kmod_load_resources(context.get()); error < 0) {
    const std::string directory = ::kmod_get_dirname(context.get());
    return fail(ErrorCode::Kernel, "the module index " + directory + " cannot be read: " + errno_text(-error), -error,
                directory);
  }
  return context;
}

List look_up(kmod_ctx* context, const std::string& alias) {
  kmod_list* found = nullptr;
  if (::kmod_module_new_from_lookup(context, alias.c_str(), &found) < 0) return nullptr;
  return List(found);
}

Module module_of(const kmod_list* entry) { return Module(::kmod_module_get_module(entry)); }

Result<Module> named(kmod_ctx* context, const std::string& name) {
  kmod_module* found = nullptr;
  const int error = ::kmod_module_new_from_name(context, name.c_str(), &found);
  if (error < 0) return fail(ErrorCode::Kernel, "libkmod cannot look for module " + name, -error);
  return Module(found);
}

bool lists(const kmod_list* list, std::string_view name) {
  const kmod_list* entry = nullptr;
  kmod_list_foreach(entry, list) {
    if (::kmod_module_get_name(module_of(entry).get()) == name) return true;
  }
  return false;
}

// What `modprobe -b NAME` would come to: an alias of modprobe.d is followed first, then the blacklist is applied.
bool passes_blacklist(kmod_ctx* context, const std::string& name) {
  const auto found = look_up(context, name);
  kmod_list* kept = nullptr;
  if (::kmod_module_apply_filter(context, KMOD_FILTER_BLACKLIST, found.get(), &kept) < 0) return false;
  return lists(List(kept).get(), name);
}

// The usual way to forbid a module for good, since a blacklist does not hold against an explicit modprobe.
bool has_idle_install_command(const kmod_module* module) {
  const char* command = ::kmod_module_get_install_commands(module);
  return command != nullptr && is_idle_command(command);
}

ModuleState state_in_index(kmod_ctx* context, const std::string& name, const kmod_module* module) {
  // The only public way to the list of built-in modules; it is asked before the running kernel is.
  if (::kmod_module_get_initstate(module) == KMOD_MODULE_BUILTIN) return ModuleState::BuiltIn;
  if (::kmod_module_get_path(module) == nullptr) return ModuleState::Unknown;
  if (!passes_blacklist(context, name) || has_idle_install_command(module)) return ModuleState::Blacklisted;
  return ModuleState::Loadable;
}

bool is_directory(const Tree& tree, const std::string& path) {
  const auto status = tree.status(path);
  return status && *status && (*status)->directory;
}

// A module whose init function still runs is listed already, but has registered nothing yet.
bool is_loaded(const Tree& tree, const std::string& name) {
  const auto path = paths::modules + "/" + name;
  if (!is_directory(tree, path)) return false;
  const auto state = tree.read(path + "/initstate");
  return !state || *state == "live";
}

// libkmod knows nothing of module_blacklist=.
bool kernel_refuses(const Tree& tree, const std::string& name) {
  return std::ranges::any_of(module_bans(tree, name),
                             [](const ModuleBan& ban) { return ban.kind == BanKind::KernelBlacklist; });
}

Result<ModuleState> state_of(const Tree& tree, const ModuleIndex& index, const std::string& name) {
  const bool loaded = is_loaded(tree, name);
  auto context = open_index(index);
  if (!context && loaded) return ModuleState::Loaded;
  // A kernel with everything built in has no module directory: then no module exists.
  if (!context && context.error().errno_value == ENOENT) return ModuleState::Unknown;
  if (!context) return std::unexpected(context.error());
  auto module = named(context->get(), name);
  if (!module) return std::unexpected(module.error());
  const auto state = state_in_index(context->get(), name, module->get());
  if (loaded && state != ModuleState::BuiltIn) return ModuleState::Loaded;
  return state == ModuleState::Loadable && kernel_refuses(tree, name) ? ModuleState::Blacklisted : state;
}

std::unexpected<Error> forbidden(const Tree& tree, const std::string& name) {
  std::string where;
  for (const auto& ban : module_bans(tree, name)) where += (where.empty() ? ": " : "; ") + to_string(ban);
  return fail(ErrorCode::ModuleBlacklisted, "modprobe's configuration forbids module " + name + where);
}

std::unexpected<Error> not_loaded(const std::string& name, const std::string& why, int errno_value = 0) {
  return fail(ErrorCode::ModuleLoadFailed, "module " + name + " did not load: " + why, errno_value);
}

// A shell's work: not for a daemon with rights. The callback's type is libkmod's.
int refuse_install_command(kmod_module*, const char*, void*) { return -EOPNOTSUPP; }

Result<> load_with_libkmod(const Tree& tree, const ModuleIndex& index, const std::string& name) {
  auto context = open_index(index);
  if (!context) return std::unexpected(context.error());
  auto module = named(context->get(), name);
  if (!module) return std::unexpected(module.error());
  const int error = ::kmod_module_probe_insert_module(module->get(), KMOD_PROBE_APPLY_BLACKLIST, nullptr,
                                                      refuse_install_command, nullptr, nullptr);
  if (error > 0) return forbidden(tree, name);
  if (error == -EOPNOTSUPP) return not_loaded(name, "modprobe.d has an install command for it", EOPNOTSUPP);
  if (error < 0) return not_loaded(name, errno_text(-error), -error);
  return {};
}

/// What a child starts with: of our open files only stderr, and no blocked signals.
struct SpawnSettings {
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
    ::posix_spawnattr_init(&attributes);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes, &signals);
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&attributes, &signals);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }

  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
};

std::string systemctl_path(const Tree& tree, const ModuleIndex& index) {
  if (!index.systemctl.empty()) return index.systemctl;
  return exists(tree, "usr/bin/systemctl") ? "/usr/bin/systemctl" : "/bin/systemctl";
}

/// The exit status, or an errno when it could not be started or waited for.
std::expected<int, int> run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::array<std::string, 2> variables{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  const std::array<char*, 3> environment{variables[0].data(), variables[1].data(), nullptr};
  const SpawnSettings settings;
  pid_t child = 0;
  const int error =
      ::posix_spawn(&child, arguments[0], &settings.files, &settings.attributes, arguments.data(), environment.data());
  if (error != 0) return std::unexpected(error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected(errno);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<> load_with_systemd(const Tree& tree, const ModuleIndex& index, const std::string& name) {
  const auto systemctl = systemctl_path(tree, index);
  const auto unit = "modprobe@" + name + ".service";
  const auto status = run({systemctl, "--no-ask-password", "--quiet", "start", unit});
  // Whoever reaps children elsewhere takes the status away; whether the module is there is looked at anyway.
  if (!status && status.error() != ECHILD) {
    return not_loaded(name, systemctl + ": " + errno_text(status.error()), status.error());
  }
  if (status && *status != 0) {
    return not_loaded(name, "systemctl start " + unit + " ended with status " + std::to_string(*status));
  }
  return {};
}

Result<> load(const Tree& tree, const ModuleIndex& index, const std::string& name) {
  const bool systemd = is_directory(tree, "run/systemd/system");
  if (auto done = systemd ? load_with_systemd(tree, index, name) : load_with_libkmod(tree, index, name); !done)
    return done;
  if (is_loaded(tree, name)) return {};
  // modprobe@.service ignores how modprobe ended.
  return not_loaded(name, systemd ? "modprobe failed; the kernel log may say why" : "the kernel does not list it");
}

/// Whether modules.builtin has the module, as the script reads it: the file's name without its last suffix.
bool lists_builtin(std::string_view index, std::string_view module) {
  while (!index.empty()) {
    const auto end = index.find('\n');
    auto line = index.substr(0, end);
    index.remove_prefix(end == std::string_view::npos ? index.size() : end + 1);
    if (const auto slash = line.rfind('/'); slash != std::string_view::npos) line.remove_prefix(slash + 1);
    if (const auto dot = line.rfind('.'); dot != std::string_view::npos && line.substr(0, dot) == module) return true;
  }
  return false;
}

std::string builtin_modules(const Tree& tree) {
  constexpr std::size_t limit = std::size_t{1} << 20;
  const auto release = tree.read("proc/sys/kernel/osrelease");
  if (!release) return "";
  return tree.read("lib/modules/" + *release + "/modules.builtin", limit).value_or("");
}

}  // namespace

std::vector<std::string> modules_for(const ModuleIndex& index, std::string_view modalias) {
  const auto context = open_index(index);
  if (!context || modalias.empty()) return {};
  const auto found = look_up(context->get(), std::string(modalias));
  std::vector<std::string> names;
  const kmod_list* entry = nullptr;
  kmod_list_foreach(entry, found.get()) {
    const auto module = module_of(entry);
    const std::string_view name = ::kmod_module_get_name(module.get());
    if (names.empty() || names.back() != name) names.emplace_back(name);
  }
  return names;
}

bool is_pci_module(const ModuleIndex& index, std::string_view module) {
  const auto name = normalized(module);
  if (!name) return false;
  // They take any device that is given to them, and so list none.
  constexpr std::array<std::string_view, 4> without_alias = {"uio_pci_generic", "igb_uio", "pci_stub", "xen_pciback"};
  if (name->starts_with("vfio") || std::ranges::find(without_alias, *name) != without_alias.end()) return true;
  const auto context = open_index(index);
  if (!context) return false;
  const auto found = named(context->get(), *name);
  if (!found) return false;
  kmod_list* facts = nullptr;
  if (::kmod_module_get_info(found->get(), &facts) < 0) return false;
  bool is_pci = false;
  const kmod_list* entry = nullptr;
  kmod_list_foreach(entry, facts) {
    const std::string_view alias = ::kmod_module_info_get_value(entry);
    is_pci |= std::string_view(::kmod_module_info_get_key(entry)) == "alias" &&
              (alias.starts_with("pci:") || alias.starts_with("vfio_pci:"));
  }
  ::kmod_module_info_free_list(facts);
  return is_pci;
}

Result<ModuleState> module_state(const Tree& tree, const ModuleIndex& index, std::string_view module) {
  const auto name = normalized(module);
  if (!name) return std::unexpected(name.error());
  return state_of(tree, index, *name);
}

std::vector<std::string> module_options(const ModuleIndex& index, std::string_view module) {
  std::vector<std::string> found;
  const auto context = read_configuration(index);
  if (!context) return found;
  auto* options = ::kmod_config_get_options(context.get());
  while (::kmod_config_iter_next(options)) {
    if (::kmod_config_iter_get_key(options) == module) found.emplace_back(::kmod_config_iter_get_value(options));
  }
  ::kmod_config_iter_free_iter(options);
  return found;
}

Result<> load_module(const Tree& tree, const ModuleIndex& index, std::string_view module) {
  const auto name = normalized(module);
  if (!name) return std::unexpected(name.error());
  const auto state = state_of(tree, index, *name);
  if (!state) return std::unexpected(state.error());
  switch (*state) {
    case ModuleState::Loaded:
    case ModuleState::BuiltIn: return {};
    case ModuleState::Loadable: return load(tree, index, *name);
    case ModuleState::Blacklisted: return forbidden(tree, *name);
    case ModuleState::Unknown: break;
  }
  return fail(ErrorCode::ModuleNotFound, "the running kernel has no module " + *name);
}

std::string module_of_driver(const DriverName& driver) {
  std::string module = driver.text();
  std::ranges::replace(module, '-', '_');
  return module;
}

std::vector<std::string> userspace_drivers(const Tree& tree) {
  const auto builtin = builtin_modules(tree);
  std::vector<std::string> found;
  for (const std::string driver : {"igb_uio", "vfio-pci", "uio_pci_generic"}) {
    auto directory = driver;
    std::ranges::replace(directory, '-', '_');
    if (is_directory(tree, paths::modules + "/" + directory) || lists_builtin(builtin, driver)) found.push_back(driver);
  }
  return found;
}

}  // namespace devbindd::sysfs
