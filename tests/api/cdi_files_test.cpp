// SPDX-License-Identifier: Apache-2.0
// The CDI files of claims: written in one piece, readable by everybody, gone with their claim.
#include "api/render/cdi_files.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "api/render/cdi_names.hpp"
#include "tests/catch2.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::cdi_files_test {

namespace {

using namespace devbindd;
using namespace devbindd::api;

const std::string claim = "5f0c8e0e-4f0c-4f43-9d0c-0d3c8b6f6a55";

Handover handover() {
  Handover made{.claim = claim, .devices = {}, .companions = {}, .iommufd = false};
  auto& device = made.devices.emplace_back();
  device.address = sysfs::parse_pci_address("0000:05:00.0").value();
  device.driver = "vfio-pci";
  device.iommu_group = 1;
  device.group_node = "/dev/vfio/1";
  device.resource_name = "vfio";
  return made;
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(directory)) names.push_back(file.path().filename());
  return names;
}

}  // namespace

TEST_CASE("A claim's CDI file is what the handover says, readable by everybody, and goes with the claim") {
  const tests::TemporaryDirectory directory;
  const auto folder = directory.path() / "cdi";
  const CdiFiles files(folder.string());
  const auto mask = ::umask(0077);
  REQUIRE(files.write(claim, cdi_text(handover())));
  ::umask(mask);
  CHECK((std::filesystem::status(folder).permissions() & std::filesystem::perms::mask) == std::filesystem::perms{0755});
  CHECK(names_in(folder) == std::vector<std::string>{"devbindd-vfio-" + claim + ".json"});
  const auto path = folder / ("devbindd-vfio-" + claim + ".json");
  std::ifstream file(path);
  const auto document = nlohmann::json::parse(file);
  CHECK(document["cdiVersion"] == "0.5.0");
  CHECK("devbindd.io/vfio=" + document["devices"][0]["name"].get<std::string>() == cdi_names(handover()).front());
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::others_read) !=
        std::filesystem::perms::none);
  REQUIRE(files.write(claim, cdi_text(handover())));  // once more replaces it
  CHECK(names_in(folder).size() == 1);
  CHECK(files.remove(claim));
  CHECK(files.remove(claim));
  CHECK(names_in(folder).empty());
}

TEST_CASE("What an earlier daemon left is removed, what others wrote is not") {
  const tests::TemporaryDirectory directory;
  const CdiFiles files(directory.path().string());
  for (const auto* name : {"devbindd-vfio-gone.json", "devbindd-vfio-half.json.draft", "nvidia.yaml", "devbindd.json"})
    std::ofstream(directory.path() / name) << "{}";
  REQUIRE(files.write(claim, cdi_text(handover())));
  REQUIRE(files.keep_only({claim}));
  auto left = names_in(directory.path());
  std::ranges::sort(left);
  CHECK(left == std::vector<std::string>{"devbindd-vfio-" + claim + ".json", "devbindd.json", "nvidia.yaml"});
}

TEST_CASE("Without a directory nothing is written, and one that cannot be written says why") {
  const CdiFiles none("");
  CHECK(none.write(claim, cdi_text(handover())));
  CHECK(none.remove(claim));
  CHECK(none.keep_only({}));
  const CdiFiles impossible("/proc/self/no-such-directory");
  const auto written = impossible.write(claim, cdi_text(handover()));
  REQUIRE_FALSE(written);
  CHECK(written.error().errno_value != 0);
  CHECK(impossible.keep_only({}));
}

}  // namespace devbindd::cdi_files_test
