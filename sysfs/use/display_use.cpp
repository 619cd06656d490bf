// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/display_use.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "sysfs/device/resource.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_iomem_bytes = 4U << 20U;
constexpr std::array<std::string_view, 6> firmware_frame_buffers = {"BOOTFB", "efifb",     "simplefb",
                                                                    "vesafb", "simpledrm", "simple-framebuffer"};

struct Range {
  std::uint64_t start = 0;
  std::uint64_t last = 0;
};

// "  90000000-902fffff : BOOTFB"; a platform device's own entry is "simple-framebuffer.0".
std::optional<Range> firmware_frame_buffer(std::string_view line) {
  const auto words = words_of(line);
  if (words.size() < 3 || words[1] != ":") return std::nullopt;
  const auto named = [&words](std::string_view name) { return words[2].starts_with(name); };
  if (std::ranges::none_of(firmware_frame_buffers, named)) return std::nullopt;
  const auto dash = words[0].find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto start = number_from<std::uint64_t>(words[0].substr(0, dash), 16);
  const auto last = number_from<std::uint64_t>(words[0].substr(dash + 1), 16);
  if (!start || !last || *last == 0) return std::nullopt;
  return Range{*start, *last};
}

bool lies_in(const Range& range, const std::vector<Resource>& resources) {
  return std::ranges::any_of(resources, [&range](const Resource& bar) {
    if (bar.kind != ResourceKind::Bar || bar.io || bar.unassigned || bar.size == 0) return false;
    return range.start >= bar.start && range.last <= bar.start + (bar.size - 1);
  });
}

void add_firmware_frame_buffer(const Tree& tree, const std::string& device_path, std::vector<Use>& uses) {
  const auto resource = tree.read(device_path + "/resource");
  const auto resources = resource ? parse_resources(*resource) : Result<std::vector<Resource>>();
  const auto iomem = tree.read("proc/iomem", most_iomem_bytes);
  if (!resources || !iomem) return;
  for (const auto line : lines_of(*iomem)) {
    const auto range = firmware_frame_buffer(line);
    if (!range || !lies_in(*range, *resources)) continue;
    uses.push_back({.kind = UseKind::Framebuffer, .subject = std::string(words_of(line)[2])});
    return;
  }
}

// Whether the text consoles are drawn into a frame buffer; true where the kernel does not say.
bool console_on_frame_buffer(const Tree& tree) {
  const auto consoles = tree.list("sys/class/vtconsole");
  if (!consoles) return true;
  return std::ranges::any_of(*consoles, [&tree](const std::string& console) {
    const auto path = "sys/class/vtconsole/" + console;
    const auto name = tree.read(path + "/name").value_or("");
    return name.find("frame buffer") != std::string::npos && tree.read(path + "/bind").value_or("") == "1";
  });
}

}  // namespace

std::vector<Use> display_uses(const Tree& tree, const std::string& device_path,
                              const std::vector<Descendant>& descendants) {
  std::vector<Use> uses;
  if (tree.read(device_path + "/boot_vga").value_or("") == "1")
    uses.push_back({.kind = UseKind::BootVga, .subject = "boot_vga"});
  for (const auto& found : descendants) {
    if (found.subsystem == "graphics" && found.name == "fb0" && console_on_frame_buffer(tree))
      uses.push_back({.kind = UseKind::Framebuffer, .path = {found.name}, .subject = "the text console"});
  }
  add_firmware_frame_buffer(tree, device_path, uses);
  return uses;
}

}  // namespace devbindd::sysfs
