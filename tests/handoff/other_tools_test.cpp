// SPDX-License-Identifier: Apache-2.0
// What driverctl and libvirt have written about devices, from files as those tools write them.
#include "handoff/usage/other_tools.hpp"

#include <cerrno>

#include "tests/catch2.hpp"
#include "tests/contract/faulty_tree.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::other_tools_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

std::string domain(const std::string& name, const std::string& bus) {
  return "<domain type='kvm'>\n  <name>" + name + R"(</name>
  <devices>
    <hostdev mode='subsystem' type='usb' managed='yes'>
      <source><address bus='7' device='2'/></source>
    </hostdev>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver name='vfio'/>
      <source>
        <address domain='0x0000' bus=')" +
         bus + R"(' slot='0x00' function='0x0'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x07' slot='0x00' function='0x0'/>
    </hostdev>
  </devices>
</domain>)";
}

}  // namespace

TEST_CASE("Without those tools nobody else has anything to say") {
  FakeKernel kernel;
  const auto found = read_other_tools(kernel);
  CHECK(found.by_device.empty());
  CHECK(found.unreadable.empty());
}

TEST_CASE("driverctl's files are named by their devices") {
  FakeKernel kernel;
  kernel.set_file("etc/driverctl.d/pci-0000:05:00.0", "vfio-pci\n");
  kernel.set_file("etc/driverctl.d/vmbus-2dc26b96-5ed1-4a3b", "uio_hv_generic\n");
  kernel.set_file("etc/driverctl.d/0000:08:00.0", "igb\n");
  const auto found = read_other_tools(kernel);
  CHECK(found.by_device.size() == 1);
  CHECK(found.by_device.at(at(card)) ==
        std::vector<OtherTool>{{"driverctl", "/etc/driverctl.d/pci-0000:05:00.0", "vfio-pci"}});
}

TEST_CASE("A libvirt domain has the source of a PCI hostdev, and not the guest's address of it or a USB device") {
  FakeKernel kernel;
  kernel.set_file("etc/libvirt/qemu/web.xml", domain("web", "0x05"));
  kernel.set_file("run/libvirt/qemu/web.xml", "<domstatus state='running'>" + domain("web", "5") + "</domstatus>");
  kernel.set_file("etc/libvirt/qemu/db.xml", domain("db", "0x05"));
  kernel.set_file("etc/libvirt/qemu/other.txt", domain("other", "0x08"));
  const auto found = read_other_tools(kernel);
  CHECK(found.by_device.size() == 1);
  CHECK(found.by_device.at(at(card)) == std::vector<OtherTool>{{"libvirt", "/run/libvirt/qemu/web.xml", "web"},
                                                               {"libvirt", "/etc/libvirt/qemu/db.xml", "db"}});
}

TEST_CASE("An interface that is a VF, one from a network of VFs, and an NVMe disk are devices of the domain too") {
  FakeKernel kernel;
  const auto address = [](const std::string& slot) {
    return "<source><address type='pci' domain='0' bus='5' slot='" + slot + "' function='0'/></source>";
  };
  kernel.set_file("run/libvirt/qemu/vm.xml",
                  "<domstatus><domain><name>vm</name><devices><interface type='hostdev' managed='yes'>" + address("1") +
                      "</interface><interface type='network'><actual type='hostdev'>" + address("2") +
                      "</actual></interface><disk type='nvme' device='disk'>" + address("3") +
                      "</disk></devices></domain></domstatus>");
  const auto found = read_other_tools(kernel);
  for (const auto* device : {"0000:05:01.0", "0000:05:02.0", "0000:05:03.0"})
    CHECK(found.by_device.at(at(device)).front().subject == "vm");
}

TEST_CASE("What is no domain, or has no address that a device can have, names no device") {
  FakeKernel kernel;
  kernel.set_file("etc/libvirt/qemu/broken.xml", domain("web", "0x05").substr(0, 200));
  kernel.set_file("etc/libvirt/qemu/far.xml", domain("web", "0x100"));
  kernel.set_file("etc/libvirt/qemu/word.xml", domain("web", "five"));
  kernel.set_file("etc/libvirt/qemu/empty.xml", "");
  CHECK(read_other_tools(kernel).by_device.empty());
}

TEST_CASE("What may not be read is told, and the rest is read all the same") {
  FakeKernel kernel;
  kernel.set_file("etc/driverctl.d/pci-0000:05:00.0", "vfio-pci\n");
  kernel.set_file("etc/libvirt/qemu/web.xml", domain("web", "0x05"));
  FaultyTree tree(kernel);
  tree.fail_below("etc/libvirt", EACCES);
  const auto found = read_other_tools(tree);
  CHECK(found.by_device.at(at(card)).size() == 1);
  REQUIRE(found.unreadable.size() == 1);
  CHECK(found.unreadable.front().errno_value == EACCES);
}

TEST_CASE("A change against another tool is done with a warning; one that agrees with it has none") {
  Stage stage(usual_machine());
  stage.kernel.set_file("etc/driverctl.d/pci-0000:05:00.0", "vfio-pci\n");
  stage.kernel.set_file("etc/libvirt/qemu/web.xml", domain("web", "0x08"));
  const auto warnings = [&stage](const ChangeRequest& request) {
    const auto decision = stage.decide(request, true);
    const auto& preview = std::get<Preview>(decision);
    CHECK(preview.refused_by.empty());
    return codes(preview.plan.evidence);
  };
  CHECK(warnings(bind_request(card)).empty());
  CHECK(warnings(request_of(ChangeKind::Unbind, card)) == std::vector<std::string>{"tool.driverctl"});
  CHECK(warnings(bind_request("0000:08:00.0")) == std::vector<std::string>{"tool.libvirt"});
  CHECK(warnings(bind_request("0000:08:00.0", "igb")).empty());
}

}  // namespace devbindd::other_tools_test
