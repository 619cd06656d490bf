// SPDX-License-Identifier: Apache-2.0
// What a CDI file may say before a process with rights writes it.
#include "api/render/cdi_check.hpp"

#include "api/render/cdi_files.hpp"
#include "tests/catch2.hpp"

namespace devbindd::cdi_check_test {

namespace {

using api::is_harmless_cdi;

std::string with(const std::string& edits, const std::string& more = "") {
  return R"({"cdiVersion":"0.5.0","kind":"devbindd.io/vfio","devices":[{"name":"a","containerEdits":)" + edits + "}]" +
         more + "}";
}

}  // namespace

TEST_CASE("What devbindd itself says of a claim is harmless") {
  api::Handover handover;
  handover.claim = "0b-1";
  auto& device = handover.devices.emplace_back();
  device.address = {.bus = 5};
  device.iommu_group = 1;
  device.group_node = "/dev/vfio/1";
  device.resource_name = "vfio";
  const auto text = api::cdi_text(handover);
  CHECK(text.find("/dev/vfio/1") != std::string::npos);
  CHECK(is_harmless_cdi(text));
  handover.devices.clear();
  CHECK(api::cdi_text(handover).empty());
}

TEST_CASE("Nodes of VFIO and variables are harmless, anything else is not") {
  CHECK(
      is_harmless_cdi(with(R"({"env":["PCIDEVICE_X=1"],"deviceNodes":[{"path":"/dev/vfio/1","permissions":"rw"}]})")));
  CHECK(is_harmless_cdi(with(R"({"deviceNodes":[{"path":"/dev/iommu","hostPath":"/dev/iommu"}]})")));
  for (const auto& edits : {
           R"({"hooks":[{"hookName":"createRuntime","path":"/bin/sh"}]})",
           R"({"mounts":[{"hostPath":"/","containerPath":"/host"}]})",
           R"({"deviceNodes":[{"path":"/dev/sda"}]})",
           R"({"deviceNodes":[{"path":"/dev/vfio/1","hostPath":"/dev/mem"}]})",
           R"({"deviceNodes":[{"path":"/dev/vfio/../mem"}]})",
           R"({"deviceNodes":[{"path":"/dev/vfio/1","type":"c","major":1,"minor":1}]})",
           R"({"deviceNodes":[{"path":"/dev/vfio/1","permissions":"rwm"}]})",
           R"({"deviceNodes":[{}]})",
           R"({"deviceNodes":{}})",
           R"({"env":["LD_PRELOAD=/tmp/x"]})",
           R"({"env":["DEVBINDD_X=1\nLD_PRELOAD=/x"]})",
           R"({"env":"PCIDEVICE_X=1"})",
           R"([])",
       }) {
    INFO(edits);
    CHECK_FALSE(is_harmless_cdi(with(edits)));
  }
}

TEST_CASE("The document around them is devbindd's, or nobody's") {
  CHECK(is_harmless_cdi(with("{}")));
  CHECK_FALSE(is_harmless_cdi(with("{}", R"(,"annotations":{})")));
  CHECK_FALSE(is_harmless_cdi(with("{}", R"(,"containerEdits":{"hooks":[]})")));
  CHECK_FALSE(is_harmless_cdi(R"({"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[]})"));
  CHECK_FALSE(is_harmless_cdi(R"({"kind":"devbindd.io/vfio","devices":[]})"));
  CHECK_FALSE(is_harmless_cdi(R"({"cdiVersion":"0.5.0","kind":"devbindd.io/vfio","devices":[1]})"));
  CHECK_FALSE(is_harmless_cdi("[]"));
  CHECK_FALSE(is_harmless_cdi("{"));
  CHECK_FALSE(is_harmless_cdi(""));
}

}  // namespace devbindd::cdi_check_test
