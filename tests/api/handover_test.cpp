// SPDX-License-Identifier: Apache-2.0
// The golden texts are in tests/data/handover/<case>/<format>.<json|xml|txt>: read one by one against the contracts
// that api/render/handover.hpp names, not printed by those programs. What can be tried here (sh; xmllint where it is
// installed) is.
#include "api/render/handover.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "api/render/cdi_names.hpp"
#include "tests/catch2.hpp"
#include "tests/golden.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::handover_test {

namespace {

using devbindd::api::Backend;
using devbindd::api::backend_named;
using devbindd::api::cdi_names;
using devbindd::api::chosen_backend;
using devbindd::api::HandedDevice;
using devbindd::api::Handover;
using devbindd::api::handover_format_named;
using devbindd::api::handover_formats;
using devbindd::api::HandoverFormat;
using devbindd::api::k8s_name;
using devbindd::api::name_of;
using devbindd::api::opens_device_nodes;
using devbindd::api::render_handover;
using devbindd::tests::golden;
using nlohmann::json;

const std::string claim = "7d3f0f0e-4c1a-4e0e-9f57-2a8a6a6d4b11";

devbindd::sysfs::PciAddress at(const std::string& address) {
  return devbindd::sysfs::parse_pci_address(address).value();
}

HandedDevice device(const std::string& address, unsigned group, const std::string& device_node = "") {
  HandedDevice device;
  device.address = at(address);
  device.vendor = 0x8086;
  device.device = 0x1572;
  device.driver = "vfio-pci";
  device.iommu_group = group;
  device.group_node = "/dev/vfio/" + std::to_string(group);
  device.device_node = device_node;
  device.sysfs_path = "/sys/devices/pci0000:00/" + address;
  device.resource_name = "vfio";
  return device;
}

Handover one_device() {
  auto one = device("0000:3b:00.0", 24);
  one.numa_node = 0;
  return {.claim = claim, .devices = {one}, .companions = {}, .iommufd = false};
}

// Two groups, one of them with a companion; one device has a variant driver.
Handover two_groups() {
  auto first = device("0000:3b:00.0", 24, "/dev/vfio/devices/vfio0");
  first.numa_node = 0;
  auto second = device("0000:5e:00.2", 41, "/dev/vfio/devices/vfio2");
  second.numa_node = 1;
  second.driver = "mlx5_vfio_pci";
  return {.claim = claim,
          .devices = {second, first},
          .companions = {device("0000:3b:00.1", 24, "/dev/vfio/devices/vfio1")},
          .iommufd = true};
}

Handover no_iommu() {
  auto one = device("0000:05:00.0", 3);
  one.no_iommu = true;
  one.group_node = "/dev/vfio/noiommu-3";
  return {.claim = claim, .devices = {one}, .companions = {}, .iommufd = false};
}

Handover large_domain() {
  return {.claim = claim,
          .devices = {device("10000:01:1f.7", 7, "/dev/vfio/devices/vfio0")},
          .companions = {},
          .iommufd = true};
}

// Both requested devices are in group 24.
Handover one_group() {
  return {.claim = claim,
          .devices = {device("0000:3b:00.0", 24, "/dev/vfio/devices/vfio0"),
                      device("0000:3b:00.1", 24, "/dev/vfio/devices/vfio1")},
          .companions = {device("0000:3b:00.2", 24, "/dev/vfio/devices/vfio2")},
          .iommufd = true};
}

Handover by_iommufd(Handover handover) {
  handover.backend = Backend::Iommufd;
  return handover;
}

std::vector<Handover> all_cases() {
  return {one_device(),           two_groups(), no_iommu(), large_domain(), one_group(), by_iommufd(two_groups()),
          by_iommufd(one_group())};
}

json document(const Handover& handover, HandoverFormat format) {
  return json::parse(render_handover(handover, format).text);
}

std::string extension_of(const std::string& media_type) {
  if (media_type == "application/json") return ".json";
  if (media_type == "application/xml") return ".xml";
  return ".txt";
}

void check_golden(const std::string& name, const Handover& handover) {
  for (const auto format : handover_formats()) {
    if (handover.backend == Backend::Iommufd && !opens_device_nodes(format)) continue;
    const auto result = render_handover(handover, format);
    const auto file = name + "/" + std::string(name_of(format)) + extension_of(result.media_type);
    INFO(file);
    CHECK(result.text == golden("handover/" + file));
  }
}

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  CHECK(::pclose(pipe) == 0);
  return output;
}

std::string written(const devbindd::tests::TemporaryDirectory& directory, const std::string& text) {
  const auto path = directory.path() / "text";
  std::ofstream(path) << text;
  return path.string();
}

std::string sourced(const Handover& handover, const std::string& variable) {
  const devbindd::tests::TemporaryDirectory directory;
  const auto path = written(directory, render_handover(handover, HandoverFormat::Env).text);
  return output_of("set -eu; set -a; . " + path + "; sh -c 'printf %s \"$" + variable + "\"'");
}

std::set<std::string> keys(const json& object) {
  std::set<std::string> names;
  for (const auto& [name, value] : object.items()) names.insert(name);
  return names;
}

// The names of the paths in a list of nodes, in order.
std::vector<std::string> paths(const json& list, const std::string& key) {
  std::vector<std::string> values;
  for (const auto& entry : list) values.push_back(entry[key]);
  return values;
}

std::vector<std::string> cdi_paths(const json& file) {
  std::vector<std::string> all;
  const auto gather = [&](const json& edits) {
    if (!edits.contains("deviceNodes")) return;
    for (const auto& path : paths(edits["deviceNodes"], "path")) all.push_back(path);
  };
  if (file.contains("containerEdits")) gather(file["containerEdits"]);
  for (const auto& device : file["devices"]) gather(device["containerEdits"]);
  return all;
}

bool unique(const std::vector<std::string>& list) {
  return std::set<std::string>(list.begin(), list.end()).size() == list.size();
}

// Every name of an environment variable in any format.
std::vector<std::string> environment_names(const Handover& handover) {
  std::vector<std::string> names;
  std::istringstream lines(render_handover(handover, HandoverFormat::Env).text);
  for (std::string line; std::getline(lines, line);) names.push_back(line.substr(0, line.find('=')));
  for (const auto format : {HandoverFormat::KubernetesDevicePlugin, HandoverFormat::Nomad}) {
    for (const auto& name : keys(document(handover, format)["envs"])) names.push_back(name);
  }
  const auto file = document(handover, HandoverFormat::Cdi);
  for (const auto& device : file["devices"]) {
    for (const std::string line : device["containerEdits"]["env"]) names.push_back(line.substr(0, line.find('=')));
  }
  return names;
}

}  // namespace

TEST_CASE("A VF token is where the consumer takes one, for virtual functions only", "[api][handover]") {
  const std::string token = "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b";
  auto handover = two_groups();
  handover.vf_token = token;
  for (const auto format : handover_formats()) {
    INFO(name_of(format));
    CHECK_FALSE(render_handover(handover, format).text.contains(token));  // none of them is a virtual function
  }
  handover.devices[1].virtual_function = true;
  const auto text = [&handover](HandoverFormat format) { return render_handover(handover, format).text; };
  CHECK(text(HandoverFormat::Qemu).contains("host=0000:3b:00.0,vf-token=" + token + "\""));
  CHECK(text(HandoverFormat::Qemu).contains("host=0000:5e:00.2\""));
  for (const auto format : {HandoverFormat::Dpdk, HandoverFormat::Spdk}) {
    const auto arguments = document(handover, format)["arguments"];
    REQUIRE(arguments.size() >= 2);
    CHECK(arguments[arguments.size() - 2] == "--vfio-vf-token");
    CHECK(arguments.back() == token);
  }
  for (const auto format : {HandoverFormat::KubernetesDevicePlugin, HandoverFormat::Nomad})
    CHECK(document(handover, format)["envs"]["DEVBINDD_VF_TOKEN"] == token);
  CHECK(text(HandoverFormat::Env).contains("\nDEVBINDD_VF_TOKEN=" + token + "\n"));
  CHECK(document(handover, HandoverFormat::Cdi)["containerEdits"]["env"] == json{"DEVBINDD_VF_TOKEN=" + token});
  for (const auto format : {HandoverFormat::CloudHypervisor, HandoverFormat::LibvirtXml}) {
    CHECK_FALSE(text(format).contains(token));
    CHECK(text(format).contains("no place for one"));
  }
}

TEST_CASE("formats have the names of the interface, and no other name is one") {
  const std::vector<std::string> names = {"qemu", "cloud-hypervisor",  "dpdk",  "spdk", "libvirt-xml",
                                          "cdi",  "k8s-device-plugin", "nomad", "env"};
  REQUIRE(handover_formats().size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK(name_of(handover_formats()[i]) == names[i]);
    CHECK(handover_format_named(names[i]) == handover_formats()[i]);
  }
  for (const auto* wrong : {"", "QEMU", "qemu ", "libvirt", "kubernetes", "qem"}) CHECK(!handover_format_named(wrong));
}

TEST_CASE("a device with a group node only") { check_golden("one_device", one_device()); }

TEST_CASE("two groups, a companion, device nodes and /dev/iommu") { check_golden("two_groups", two_groups()); }

TEST_CASE("two groups and a companion by iommufd") { check_golden("iommufd", by_iommufd(two_groups())); }

TEST_CASE("a group without IOMMU") { check_golden("no_iommu", no_iommu()); }

TEST_CASE("a PCI domain beyond ffff") { check_golden("large_domain", large_domain()); }

TEST_CASE("every text ends with one newline, and media types say what it is") {
  for (const auto& handover : all_cases()) {
    for (const auto format : handover_formats()) {
      const auto [media_type, text] = render_handover(handover, format);
      INFO(name_of(format));
      REQUIRE(text.size() > 1);
      CHECK(text.back() == '\n');
      CHECK(text[text.size() - 2] != '\n');
      const auto expected = format == HandoverFormat::LibvirtXml ? "application/xml"
                            : format == HandoverFormat::Env      ? "text/plain; charset=utf-8"
                                                                 : "application/json";
      CHECK(media_type == expected);
    }
  }
}

TEST_CASE("no document names a node twice") {
  for (const auto& handover : all_cases()) {
    CHECK(unique(cdi_paths(document(handover, HandoverFormat::Cdi))));
    CHECK(unique(paths(document(handover, HandoverFormat::KubernetesDevicePlugin)["devices"], "containerPath")));
    CHECK(unique(paths(document(handover, HandoverFormat::Nomad)["devices"], "task_path")));
    CHECK(unique(document(handover, HandoverFormat::Qemu)["nodes"]));
  }
}

void check_nodes(const Handover& handover, const std::vector<std::string>& expected) {
  CHECK(paths(document(handover, HandoverFormat::KubernetesDevicePlugin)["devices"], "hostPath") == expected);
  CHECK(paths(document(handover, HandoverFormat::Nomad)["devices"], "host_path") == expected);
  for (const auto format :
       {HandoverFormat::Qemu, HandoverFormat::CloudHypervisor, HandoverFormat::Dpdk, HandoverFormat::Spdk}) {
    CHECK(document(handover, format)["nodes"] == json(expected));
  }
  auto nodes = cdi_paths(document(handover, HandoverFormat::Cdi));
  CHECK(std::set(nodes.begin(), nodes.end()) == std::set(expected.begin(), expected.end()));
}

TEST_CASE("every format that lists nodes lists the same ones, companions' included, of one backend") {
  check_nodes(two_groups(), {"/dev/vfio/vfio", "/dev/vfio/41", "/dev/vfio/24"});
  check_nodes(by_iommufd(two_groups()),
              {"/dev/iommu", "/dev/vfio/devices/vfio2", "/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1"});
}

TEST_CASE("a backend has one name") {
  for (const auto backend : {Backend::Group, Backend::Iommufd}) CHECK(backend_named(name_of(backend)) == backend);
  for (const auto* wrong : {"", "auto", "Group", "cdev", "iommufd "}) CHECK(!backend_named(wrong));
}

TEST_CASE("the group is chosen, and iommufd where a group node is missing") {
  auto without_group = two_groups();
  without_group.devices[1].group_node = "";
  for (const auto format : handover_formats()) {
    INFO(name_of(format));
    CHECK(chosen_backend(two_groups(), format, {}) == Backend::Group);
    CHECK(chosen_backend(two_groups(), format, Backend::Group) == Backend::Group);
    CHECK(chosen_backend(without_group, format, {}) ==
          (opens_device_nodes(format) ? Backend::Iommufd : Backend::Group));
    const auto refused = chosen_backend(without_group, format, Backend::Group);
    REQUIRE(!refused);
    CHECK(refused.error().message == "0000:3b:00.0 has no group node: the kernel was built without CONFIG_VFIO_GROUP");
  }
}

TEST_CASE("iommufd is refused where one of its nodes is missing") {
  CHECK(chosen_backend(two_groups(), HandoverFormat::Qemu, Backend::Iommufd) == Backend::Iommufd);
  auto without_node = two_groups();
  without_node.devices[0].device_node = "";
  const auto no_node = chosen_backend(without_node, HandoverFormat::Qemu, Backend::Iommufd);
  REQUIRE(!no_node);
  CHECK(no_node.error().message == "0000:5e:00.2 has no node in /dev/vfio/devices: the kernel or the driver has none");
  auto without_iommu = two_groups();
  without_iommu.iommufd = false;
  const auto no_iommu_node = chosen_backend(without_iommu, HandoverFormat::Qemu, Backend::Iommufd);
  REQUIRE(!no_iommu_node);
  CHECK(no_iommu_node.error().code == devbindd::sysfs::ErrorCode::NodeNotFound);
  without_iommu.devices[0].group_node = "";
  CHECK(!chosen_backend(without_iommu, HandoverFormat::Env, {}));
}

TEST_CASE("only requested addresses are advertised") {
  for (const auto format : handover_formats()) {
    INFO(name_of(format));
    CHECK(render_handover(two_groups(), format).text.find("3b:00.1") == std::string::npos);
  }
}

TEST_CASE("CDI: what two devices of a group need is in the common edits, so that either may come alone") {
  const auto file = document(by_iommufd(one_group()), HandoverFormat::Cdi);
  CHECK(paths(file["containerEdits"]["deviceNodes"], "path") ==
        std::vector<std::string>{"/dev/iommu", "/dev/vfio/devices/vfio2"});
  CHECK(paths(file["devices"][0]["containerEdits"]["deviceNodes"], "path") ==
        std::vector<std::string>{"/dev/vfio/devices/vfio0"});
  CHECK(paths(file["devices"][1]["containerEdits"]["deviceNodes"], "path") ==
        std::vector<std::string>{"/dev/vfio/devices/vfio1"});
}

TEST_CASE("CDI: a device is valid when all its nodes are common, since it has its environment") {
  const auto file = document(one_group(), HandoverFormat::Cdi);
  CHECK(file["devices"].size() == 2);
  CHECK(paths(file["containerEdits"]["deviceNodes"], "path") ==
        std::vector<std::string>{"/dev/vfio/vfio", "/dev/vfio/24"});
  for (const auto& device : file["devices"]) {
    CHECK(keys(device["containerEdits"]) == std::set<std::string>{"env"});
  }
}

// The names of version 0.5.0: readers refuse a file with any other.
TEST_CASE("CDI: no field that the version does not have") {
  for (const auto& handover : all_cases()) {
    const auto file = document(handover, HandoverFormat::Cdi);
    CHECK(keys(file) == std::set<std::string>{"cdiVersion", "kind", "devices", "containerEdits"});
    std::vector<json> edits = {file["containerEdits"]};
    for (const auto& device : file["devices"]) {
      CHECK(keys(device) == std::set<std::string>{"name", "containerEdits"});
      edits.push_back(device["containerEdits"]);
    }
    for (const auto& edit : edits) {
      for (const auto& key : keys(edit)) CHECK((key == "env" || key == "deviceNodes"));
      for (const auto& node : edit.value("deviceNodes", json::array())) {
        for (const auto& key : keys(node)) CHECK((key == "path" || key == "hostPath" || key == "permissions"));
        CHECK(node["permissions"] == "rw");
      }
    }
  }
}

TEST_CASE("CDI names are legal, unlike each other, and those of the file") {
  const std::regex legal("[A-Za-z0-9][A-Za-z0-9_.:-]*[A-Za-z0-9]");
  for (const auto& handover : all_cases()) {
    const auto names = cdi_names(handover);
    const auto file = document(handover, HandoverFormat::Cdi);
    REQUIRE(names.size() == handover.devices.size());
    CHECK(unique(names));
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string name = file["devices"][i]["name"];
      CHECK(names[i] == "devbindd.io/vfio=" + name);
      CHECK(std::regex_match(name, legal));
      CHECK(name.starts_with(handover.claim));
      CHECK(document(handover, HandoverFormat::KubernetesDevicePlugin)["cdiDevices"][i]["name"] == names[i]);
    }
  }
}

TEST_CASE("names of environment variables are legal whatever the resource is called") {
  const std::regex legal("[A-Z_][A-Z0-9_]*");
  auto odd = one_device();
  odd.devices[0].resource_name = "intel.com/x710-sfp+ \xc3\xa4";
  auto nameless = one_device();
  nameless.devices[0].resource_name = "";
  auto cases = all_cases();
  cases.push_back(odd);
  cases.push_back(nameless);
  for (const auto& handover : cases) {
    for (const auto& name : environment_names(handover)) {
      INFO(name);
      CHECK(std::regex_match(name, legal));
    }
  }
  CHECK(document(nameless, HandoverFormat::Nomad)["envs"] == json{{"PCIDEVICE_DEVBINDD_VFIO", "0000:3b:00.0"}});
}

TEST_CASE("devices of different resources have a variable for each resource") {
  auto handover = one_group();
  handover.devices.push_back(device("0000:5e:00.2", 41));
  handover.devices[1].resource_name = "nic-a";
  CHECK(document(handover, HandoverFormat::KubernetesDevicePlugin)["envs"] ==
        json{{"PCIDEVICE_DEVBINDD_VFIO", "0000:3b:00.0,0000:5e:00.2"}, {"PCIDEVICE_DEVBINDD_NIC_A", "0000:3b:00.1"}});
}

TEST_CASE("an address becomes a DNS label") {
  const std::regex label("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?");
  CHECK(k8s_name(at("0000:3b:00.0")) == "pci-0000-3b-00-0");
  CHECK(k8s_name(at("10000:01:1f.7")) == "pci-10000-01-1f-7");
  for (const auto* address : {"0000:3b:00.0", "10000:01:1f.7", "ffffffff:ff:1f.7"}) {
    CHECK(std::regex_match(k8s_name(at(address)), label));
  }
}

TEST_CASE("a shell reads the environment file") {
  CHECK(sourced(two_groups(), "DEVBINDD_CLAIM") == claim);
  CHECK(sourced(two_groups(), "DEVBINDD_DEVICES") == "0000:5e:00.2 0000:3b:00.0");
  CHECK(sourced(two_groups(), "DEVBINDD_GROUP_NODES") == "/dev/vfio/41 /dev/vfio/24");
  CHECK(sourced(two_groups(), "DEVBINDD_DEVICE_NODES").empty());
  CHECK(sourced(two_groups(), "DEVBINDD_IOMMUFD").empty());
  CHECK(sourced(by_iommufd(two_groups()), "DEVBINDD_GROUP_NODES").empty());
  CHECK(sourced(by_iommufd(two_groups()), "DEVBINDD_DEVICE_NODES") ==
        "/dev/vfio/devices/vfio2 /dev/vfio/devices/vfio0");
  CHECK(sourced(by_iommufd(two_groups()), "DEVBINDD_IOMMUFD") == "/dev/iommu");
  CHECK(sourced(by_iommufd(two_groups()), "DEVBINDD_BACKEND") == "iommufd");
  CHECK(sourced(two_groups(), "PCIDEVICE_DEVBINDD_VFIO") == "0000:5e:00.2,0000:3b:00.0");
  CHECK(sourced(one_device(), "DEVBINDD_DEVICE_NODES").empty());
  CHECK(sourced(no_iommu(), "DEVBINDD_GROUP_NODES") == "/dev/vfio/noiommu-3");
}

TEST_CASE("a shell expands nothing in the environment file") {
  auto handover = one_device();
  handover.claim = "~ \"two\"  'one' $HOME ${HOME} $(id) `id` \\ \\n # ; & * \t end\\";
  CHECK(sourced(handover, "DEVBINDD_CLAIM") == handover.claim);
}

TEST_CASE("XML is well-formed") {
  if (std::system("command -v xmllint >/dev/null") != 0) return;
  for (const auto& handover : all_cases()) {
    const devbindd::tests::TemporaryDirectory directory;
    const auto path = written(directory, render_handover(handover, HandoverFormat::LibvirtXml).text);
    CHECK(output_of("xmllint --xpath 'count(//hostdev/source/address)' " + path + " | tr -d '\\n'") ==
          std::to_string(handover.devices.size()));
  }
}

TEST_CASE("a kernel without group nodes") {
  auto handover = large_domain();
  handover.devices[0].group_node = "";
  CHECK(document(by_iommufd(handover), HandoverFormat::Qemu)["nodes"] == json{"/dev/iommu", "/dev/vfio/devices/vfio0"});
  CHECK(document(handover, HandoverFormat::Dpdk)["warnings"] ==
        json{"10000:01:1f.7 has no group node, and DPDK opens groups only"});
  CHECK(sourced(handover, "DEVBINDD_GROUP_NODES").empty());
}

TEST_CASE("nothing claimed is still a document") {
  const Handover nothing{.claim = claim, .devices = {}, .companions = {}, .iommufd = true};
  CHECK(document(nothing, HandoverFormat::CloudHypervisor)["arguments"] == json::array());
  CHECK(document(nothing, HandoverFormat::KubernetesDevicePlugin) ==
        json{{"envs", json::object()}, {"devices", json::array()}, {"cdiDevices", json::array()}});
  CHECK(render_handover(nothing, HandoverFormat::LibvirtXml).text == "<devices>\n</devices>\n");
  CHECK(sourced(nothing, "DEVBINDD_DEVICES").empty());
}

}  // namespace devbindd::handover_test
