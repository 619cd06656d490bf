// SPDX-License-Identifier: Apache-2.0
// One port of a two-port 100GE card (19e5:0200) as people look at it by hand on real hosts, replayed through the fakes:
// the whole answers, as documents.
#include <fcntl.h>
#include <linux/vfio.h>

#include <array>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "api/handlers/handlers.hpp"
#include "api/render/render_event.hpp"
#include "sysfs/iommu/iommu_state.hpp"
#include "sysfs/iommu/iommu_unit.hpp"
#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::hinic_test {

namespace {

using namespace devbindd;
using namespace devbindd::tests;
using nlohmann::json;

constexpr const char* resource_file =
    "0x0000080007b00000 0x0000080007b1ffff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x0000080008a20000 0x0000080008a27fff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x0000080000200000 0x00000800002fffff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x00000000e9200000 0x00000000e92fffff 0x0000000000046200\n"
    "0x0000080007b20000 0x000008000829ffff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x00000800082a0000 0x0000080008a1ffff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    "0x0000080000300000 0x0000080007afffff 0x000000000014220c\n"
    "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

// What VFIO_DEVICE_GET_REGION_INFO leaves, index by index; the one after the last fails.
struct RegionAnswer {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::uint32_t cap_offset;
  std::uint64_t size;
};
constexpr std::array<RegionAnswer, 8> region_answers = {{{32, 0x7, 0, 131072},
                                                         {32, 0x0, 0, 0},
                                                         {64, 0xf, 32, 32768},
                                                         {32, 0x0, 0, 0},
                                                         {32, 0x7, 0, 1048576},
                                                         {32, 0x0, 0, 0},
                                                         {32, 0x1, 0, 1048576},
                                                         {32, 0x3, 0, 4096}}};
constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 5> irq_answers = {
    {{0x7, 1}, {0x9, 32}, {0x9, 32}, {0x9, 1}, {0x9, 1}}};  // flags and count

// The kernel's VFIO as this card has it. Every descriptor is a real one, so that it can be told apart what was asked.
class HinicIoctl final : public vfio::Ioctl {
 public:
  vfio::Result<vfio::FileDescriptor> open_container() const override { return opened("container"); }
  vfio::Result<int> api_version(const vfio::FileDescriptor& fd) const override {
    return is(fd, "container") ? vfio::Result<int>(VFIO_API_VERSION) : failed(ENOTTY);
  }
  vfio::Result<int> check_extension(const vfio::FileDescriptor& fd, unsigned long extension) const override {
    if (!is(fd, "container")) return failed(ENOTTY);
    return extension == VFIO_TYPE1_IOMMU || extension == VFIO_TYPE1v2_IOMMU ? 1 : 0;
  }
  vfio::Result<vfio::FileDescriptor> open_node(const std::string& path) const override {
    if (path != "/dev/vfio/24") return failed(ENOENT);
    attached_ = false;
    return opened("group");
  }
  vfio::Result<int> call(const vfio::FileDescriptor& fd, unsigned long request, vfio::Bytes& argument) const override {
    if (is(fd, "group")) return group_call(request, argument);
    if (is(fd, "device")) return device_call(request, argument);
    if (!is(fd, "container") || request != VFIO_IOMMU_GET_INFO) return failed(ENOTTY);
    vfio_iommu_type1_info info{};
    return answer(argument, info, [&info] {
      info.flags = VFIO_IOMMU_INFO_PGSIZES;
      info.iova_pgsizes = 0x40201000;
    });
  }
  vfio::Result<int> call(const vfio::FileDescriptor& fd, unsigned long request, unsigned long type) const override {
    return is(fd, "container") && request == VFIO_SET_IOMMU && type == VFIO_TYPE1v2_IOMMU && attached_
               ? vfio::Result<int>(0)
               : failed(EINVAL);
  }

 private:
  static std::unexpected<sysfs::Error> failed(int errno_value) {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "failed", errno_value);
  }

  vfio::Result<vfio::FileDescriptor> opened(const std::string& role) const {
    vfio::FileDescriptor fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    roles_[fd.get()] = role;
    return fd;
  }
  bool is(const vfio::FileDescriptor& fd, const std::string& role) const {
    const auto found = roles_.find(fd.get());
    return found != roles_.end() && found->second == role;
  }

  // The kernel copies a structure in, fills it, and copies it out: never more than it was given.
  template <class Struct, class Fill>
  static vfio::Result<int> answer(vfio::Bytes& argument, Struct& info, Fill fill) {
    const auto size = std::min(argument.size(), sizeof info);
    std::memcpy(&info, argument.data(), size);
    if (info.argsz > argument.size()) return failed(EFAULT);
    fill();
    std::memcpy(argument.data(), &info, size);
    return 0;
  }

  vfio::Result<int> group_call(unsigned long request, vfio::Bytes& argument) const {
    if (request == VFIO_GROUP_GET_STATUS) {
      vfio_group_status status{};
      return answer(argument, status, [&] {
        status.flags = VFIO_GROUP_FLAGS_VIABLE | (attached_ ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0U);
      });
    }
    if (request == VFIO_GROUP_SET_CONTAINER) {
      int container = -1;
      std::memcpy(&container, argument.data(), std::min(argument.size(), sizeof container));
      attached_ = roles_.contains(container) && roles_[container] == "container";
      return attached_ ? vfio::Result<int>(0) : failed(EBADF);
    }
    if (request != VFIO_GROUP_GET_DEVICE_FD) return failed(ENOTTY);
    if (std::string(reinterpret_cast<const char*>(argument.data())) != card) return failed(ENODEV);
    auto device = opened("device");
    return device->release();
  }

  vfio::Result<int> device_call(unsigned long request, vfio::Bytes& argument) const {
    switch (request) {
      case VFIO_DEVICE_GET_INFO: {
        vfio_device_info info{};
        return answer(argument, info, [&info] {
          info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
          info.num_regions = 9;
          info.num_irqs = 5;
        });
      }
      case VFIO_DEVICE_GET_REGION_INFO: return region(argument);
      case VFIO_DEVICE_GET_IRQ_INFO: {
        vfio_irq_info info{};
        return answer(argument, info, [&info] { std::tie(info.flags, info.count) = irq_answers.at(info.index); });
      }
      case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: {
        const std::array<std::uint32_t, 5> own = {20, 0, 1, 24, 5U << 16U};
        std::memcpy(argument.data(), own.data(), std::min(argument.size(), sizeof own));
        return argument.size() < sizeof own ? vfio::Result<int>(failed(ENOSPC)) : 0;
      }
      default: return failed(ENOTTY);  // no features
    }
  }

  static vfio::Result<int> region(vfio::Bytes& argument) {
    vfio_region_info info{};
    std::memcpy(&info, argument.data(), sizeof info);
    if (info.index >= region_answers.size()) return failed(EINVAL);
    const auto& known = region_answers[info.index];
    const bool room = info.argsz >= known.argsz;
    info.argsz = known.argsz;
    info.flags = known.flags;
    info.cap_offset = room ? known.cap_offset : 0;
    info.size = known.size;
    info.offset = std::uint64_t{info.index} << 40U;
    std::memcpy(argument.data(), &info, sizeof info);
    if (room && known.cap_offset != 0) {
      const vfio_info_cap_header header{.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1, .next = 0};
      std::memset(argument.data() + known.cap_offset, 0, known.argsz - known.cap_offset);
      std::memcpy(argument.data() + known.cap_offset, &header, sizeof header);
    }
    return 0;
  }

  mutable std::map<int, std::string> roles_;
  mutable bool attached_ = false;
};

// Power management, PCI Express, MSI for 32, MSI-X for 32 in BAR 2, and a serial number.
std::string config_space() {
  std::string bytes(4096, '\0');
  const auto put = [&bytes](std::size_t offset, std::uint32_t value, std::size_t size) {
    for (std::size_t at = 0; at < size; ++at) bytes[offset + at] = static_cast<char>(value >> (8 * at) & 0xffU);
  };
  put(0x00, 0x020019e5, 4);
  put(0x06, 0x0010, 2);
  put(0x08, 0x02000045, 4);
  put(0x2c, 0xd13919e5, 4);
  put(0x34, 0x40, 1);
  put(0x3d, 1, 1);
  put(0x40, 0x8010, 2);
  put(0x42, 0x0002, 2);
  put(0x80, 0xa005, 2);
  put(0x82, 0x018a, 2);
  put(0xa0, 0xb011, 2);
  put(0xa2, 31, 2);
  put(0xa4, 0x00000002, 4);
  put(0xa8, 0x00004002, 4);
  put(0xb0, 0x0001, 2);
  put(0x100, 0x00010003, 4);
  put(0x104, 0x89abcdef, 4);
  put(0x108, 0x01234567, 4);
  return bytes;
}

std::shared_ptr<FakeKernel> machine() {
  auto owned = std::make_shared<FakeKernel>();
  auto& kernel = *owned;
  add_usual_drivers(kernel);
  kernel.add_driver({.name = "hinic", .ids = {{0x19e5, 0x0200}}});
  kernel.add_device({.address = "0000:00:0b.0",
                     .vendor = 0x19e5,
                     .device = 0xa120,
                     .class_code = 0x060400,
                     .group = 23,
                     .driver = "pcieport"});
  kernel.add_device({.address = card,
                     .vendor = 0x19e5,
                     .device = 0x0200,
                     .subsystem_vendor = 0x19e5,
                     .subsystem_device = 0xd139,
                     .group = 24,
                     .driver = "vfio-pci",
                     .driver_override = "vfio-pci",
                     .numa_node = 0,
                     .parent = "0000:00:0b.0",
                     .totalvfs = 120,
                     .config = config_space(),
                     .vf_device = 0x375e});
  const std::string device = "sys/devices/pci0000:00/0000:00:0b.0/" + card + "/";
  kernel.set_file(device + "resource", resource_file);
  kernel.set_file(device + "revision", "0x45\n");
  kernel.set_file("sys/kernel/iommu_groups/24/reserved_regions",
                  "0x000000006a000000 0x000000006e7fffff direct-relaxable\n"
                  "0x00000000fee00000 0x00000000feefffff msi\n");
  const std::string unit = "sys/class/iommu/dmar0/";
  kernel.set_file(unit + "intel-iommu/address", "fed90000\n");
  kernel.set_file(unit + "intel-iommu/version", "1:0\n");
  kernel.set_file(unit + "intel-iommu/cap", "1c0000c40660462\n");
  kernel.set_file(unit + "intel-iommu/ecap", "19e2ff0505e\n");
  kernel.set_file(unit + "devices/" + card, "");
  kernel.set_file("sys/kernel/irq/24/chip_name", "IR-PCI-MSIX-" + card + "\n");
  kernel.set_file("usr/share/misc/pci.ids",
                  "19e5  Huawei Technologies Co., Ltd.\n"
                  "\t0200  Hi1822 Family (2*100GE)\n"
                  "\t\t19e5 d139  Hi1822 SP572 (2*100GE)\n"
                  "C 02  Network controller\n"
                  "\t00  Ethernet controller\n");
  return owned;
}

// The API on that machine.
class Host {
 public:
  Host() : workers_(io_, *kernel, ioctl_, index_), inventory_(*kernel) {
    auto opened = handoff::Journal::open(
        ":memory:", "boot-1", [this](std::function<void()> action) { boost::asio::post(io_, std::move(action)); });
    REQUIRE(opened);
    journal_ = std::move(*opened);
    engine_ = std::make_unique<handoff::Engine>(
        handoff::Engine::Services{.tree = *kernel,
                                  .inventory = inventory_,
                                  .drain_uevents = [this] { return kernel->drain_uevents(); },
                                  .run_task = workers_.run_task(),
                                  .journal = *journal_,
                                  .modules = index_,
                                  .permit = workers_.permit()});
    claims_ = std::make_unique<handoff::Claims>(*engine_, handoff::Claims::Hooks{});
    policies_ = std::make_unique<handoff::Policies>(*engine_, std::vector<handoff::Policy>{});
    kept_answers_ = std::make_unique<handoff::KeptAnswers>(*journal_, [](const handoff::DamagedRow&) {});
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { journal_.reset(); }

  using Handler = void (*)(api::Context&, const api::Request&, const api::PathArguments&, api::Respond);

  json probe(Handler handler, const std::string& argument) { return ask(handler, argument, "POST"); }

  json ask(Handler handler, const std::string& argument, const std::string& method = "GET") {
    api::Context context{.engine = *engine_,
                         .claims = *claims_,
                         .policies = *policies_,
                         .kept_answers = *kept_answers_,
                         .events = events_,
                         .names = names_,
                         .version = "0",
                         .boot_id = "boot-1",
                         .openapi = "",
                         .openapi_json = "",
                         .after = {},
                         .not_ready = {}};
    api::Request request;
    request.method = method;
    request.grant.role = api::Role::Admin;
    if (method == "POST") request.body = api::Body(std::string("{}"));
    std::optional<api::Response> response;
    handler(context, request, {argument}, [&response](api::Response made) { response = std::move(made); });
    run_until(io_, [&response] { return response.has_value(); });
    CAPTURE(response->body);
    REQUIRE(response->status == 200);
    return json::parse(response->body);
  }

  std::shared_ptr<FakeKernel> kernel = machine();

 private:
  boost::asio::io_context io_;
  HinicIoctl ioctl_;
  sysfs::ModuleIndex index_{.directory = "/nonexistent", .config_paths = {"/nonexistent"}};
  sysfs::DeviceNames names_ = sysfs::DeviceNames::open(*kernel, false);
  FakeWorkers workers_;
  sysfs::Inventory inventory_;
  std::unique_ptr<handoff::Journal> journal_;
  std::unique_ptr<handoff::Engine> engine_;
  std::unique_ptr<handoff::Claims> claims_;
  std::unique_ptr<handoff::Policies> policies_;
  std::unique_ptr<handoff::KeptAnswers> kept_answers_;
  api::EventFeed events_{"f00dcafe", api::render_event, [](const std::function<void()>&) {}};
};

// What only the active probe knows: part of the answers about regions and IRQs.
const json expected_probe = json::parse(R"json({
  "device_flags": ["reset", "pci"], "device_flags_value": "0x3", "features": [], "group_flags": ["viable"], "group_flags_value": "0x1",
  "hot_reset": {"devices": [{"address": "0000:05:00.0", "iommu_group": 24}], "errno": null},
  "iommu": {
    "dirty_tracking": null, "dma_mappings_available": null, "hardware": null, "iova_alignment": null,
    "iova_ranges": [], "page_sizes": ["0x1000", "0x200000", "0x40000000"]
  },
  "irq_count": 5, "migration_flags": null, "region_count": 9
})json");

const json expected_regions = json::parse(R"json({
  "address": "0000:05:00.0", "complete": true, "missing": null, "node": "/dev/vfio/24",
  "note": "the device was opened, and so reset, for this answer",
  "regions": [
    {
      "capabilities": [], "errno": null, "flags": ["read", "write", "mmap"], "flags_value": "0x7", "index": 0,
      "mappable": {"areas": [{"offset": "0x0", "size": 131072}], "reason": "the whole region"}, "name": "bar0",
      "offset": "0x0", "present": true, "problems": [], "size": 131072, "source": "vfio"
    },
    {
      "capabilities": [], "errno": null, "flags": [], "flags_value": "0x0", "index": 1,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "bar1", "offset": "0x10000000000",
      "present": true, "problems": [], "size": 0, "source": "vfio"
    },
    {
      "capabilities": [{"areas": [], "id": 1, "length": 24, "name": "sparse_mmap", "version": 1}], "errno": null,
      "flags": ["read", "write", "mmap", "caps"], "flags_value": "0xf", "index": 2,
      "mappable": {
        "areas": [],
        "reason": "the sparse mmap capability names no area: no part may be mapped, and mapping the whole region fails"
      },
      "name": "bar2", "offset": "0x20000000000", "present": true, "problems": [], "size": 32768, "source": "vfio"
    },
    {
      "capabilities": [], "errno": null, "flags": [], "flags_value": "0x0", "index": 3,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "bar3", "offset": "0x30000000000",
      "present": true, "problems": [], "size": 0, "source": "vfio"
    },
    {
      "capabilities": [], "errno": null, "flags": ["read", "write", "mmap"], "flags_value": "0x7", "index": 4,
      "mappable": {"areas": [{"offset": "0x0", "size": 1048576}], "reason": "the whole region"}, "name": "bar4",
      "offset": "0x40000000000", "present": true, "problems": [], "size": 1048576, "source": "vfio"
    },
    {
      "capabilities": [], "errno": null, "flags": [], "flags_value": "0x0", "index": 5,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "bar5", "offset": "0x50000000000",
      "present": true, "problems": [], "size": 0, "source": "vfio"
    },
    {
      "capabilities": [], "errno": null, "flags": ["read"], "flags_value": "0x1", "index": 6,
      "mappable": {"areas": [], "reason": "the kernel gives the region no MMAP flag: read and write it instead"},
      "name": "rom", "offset": "0x60000000000", "present": true, "problems": [], "size": 1048576, "source": "vfio"
    },
    {
      "capabilities": [], "errno": null, "flags": ["read", "write"], "flags_value": "0x3", "index": 7,
      "mappable": {"areas": [], "reason": "the kernel gives the region no MMAP flag: read and write it instead"},
      "name": "config", "offset": "0x70000000000", "present": true, "problems": [], "size": 4096, "source": "vfio"
    },
    {
      "capabilities": [], "errno": "EINVAL", "flags": [], "flags_value": "0x0", "index": 8,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "vga", "offset": "0x0",
      "present": false, "problems": [], "size": 0, "source": "vfio"
    }
  ],
  "source": "vfio", "way": "group"
})json");

const json expected_irqs = json::parse(R"json({
  "address": "0000:05:00.0", "complete": true,
  "irqs": [
    {
      "count": 1, "errno": null, "flags": ["eventfd", "maskable", "automasked"], "flags_value": "0x7", "index": 0,
      "name": "intx", "present": true, "source": "vfio"
    },
    {
      "count": 32, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 1,
      "name": "msi", "present": true, "source": "vfio"
    },
    {
      "count": 32, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 2,
      "name": "msix", "present": true, "source": "vfio"
    },
    {
      "count": 1, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 3,
      "name": "err", "present": true, "source": "vfio"
    },
    {
      "count": 1, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 4,
      "name": "req", "present": true, "source": "vfio"
    }
  ],
  "missing": null, "node": "/dev/vfio/24", "note": "the device was opened, and so reset, for this answer",
  "source": "vfio", "way": "group"
})json");

const json expected_passive_regions = json::parse(R"json({
  "address": "0000:05:00.0", "complete": true, "missing": null,
  "msix": {
    "pending": {"offset": "0x4000", "region": 2, "size": 8}, "table": {"offset": "0x0", "region": 2, "size": 512}
  },
  "regions": [
    {
      "capabilities": [], "errno": null, "flags": ["read", "write", "mmap"], "flags_value": "0x7", "index": 0,
      "mappable": {"areas": [{"offset": "0x0", "size": 131072}], "reason": "the whole region"}, "name": "bar0",
      "offset": "0x0", "present": true, "problems": [], "size": 131072, "source": "sysfs"
    },
    {
      "capabilities": [], "errno": null, "flags": [], "flags_value": "0x0", "index": 1,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "bar1", "offset": "0x10000000000",
      "present": true, "problems": [], "size": 0, "source": "sysfs"
    },
    {
      "capabilities": [{"id": 3, "length": 0, "name": "msix_mappable", "version": 1}], "errno": null,
      "flags": ["read", "write", "mmap", "caps"], "flags_value": "0xf", "index": 2,
      "mappable": {"areas": [{"offset": "0x0", "size": 32768}], "reason": "the whole region"}, "name": "bar2",
      "offset": "0x20000000000", "present": true, "problems": [], "size": 32768, "source": "sysfs"
    },
    {
      "capabilities": [], "errno": null, "flags": [], "flags_value": "0x0", "index": 3,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "bar3", "offset": "0x30000000000",
      "present": true, "problems": [], "size": 0, "source": "sysfs"
    },
    {
      "capabilities": [], "errno": null, "flags": ["read", "write", "mmap"], "flags_value": "0x7", "index": 4,
      "mappable": {"areas": [{"offset": "0x0", "size": 1048576}], "reason": "the whole region"}, "name": "bar4",
      "offset": "0x40000000000", "present": true, "problems": [], "size": 1048576, "source": "sysfs"
    },
    {
      "capabilities": [], "errno": null, "flags": [], "flags_value": "0x0", "index": 5,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "bar5", "offset": "0x50000000000",
      "present": true, "problems": [], "size": 0, "source": "sysfs"
    },
    {
      "capabilities": [], "errno": null, "flags": ["read"], "flags_value": "0x1", "index": 6,
      "mappable": {"areas": [], "reason": "the kernel gives the region no MMAP flag: read and write it instead"},
      "name": "rom", "offset": "0x60000000000", "present": true, "problems": [], "size": 1048576,
      "source": "sysfs"
    },
    {
      "capabilities": [], "errno": null, "flags": ["read", "write"], "flags_value": "0x3", "index": 7,
      "mappable": {"areas": [], "reason": "the kernel gives the region no MMAP flag: read and write it instead"},
      "name": "config", "offset": "0x70000000000", "present": true, "problems": [], "size": 4096,
      "source": "sysfs"
    },
    {
      "capabilities": [], "errno": null, "flags": [], "flags_value": "0x0", "index": 8,
      "mappable": {"areas": [], "reason": "the region is absent"}, "name": "vga", "offset": "0x80000000000",
      "present": false, "problems": [], "size": 0, "source": "sysfs"
    }
  ],
  "source": "sysfs"
})json");

const json expected_passive_irqs = json::parse(R"json({
  "address": "0000:05:00.0", "complete": true,
  "irqs": [
    {
      "count": 1, "errno": null, "flags": ["eventfd", "maskable", "automasked"], "flags_value": "0x7", "index": 0,
      "name": "intx", "present": true, "source": "sysfs"
    },
    {
      "count": 32, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 1,
      "name": "msi", "present": true, "source": "sysfs"
    },
    {
      "count": 32, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 2,
      "name": "msix", "present": true, "source": "sysfs"
    },
    {
      "count": 1, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 3,
      "name": "err", "present": true, "source": "sysfs"
    },
    {
      "count": 1, "errno": null, "flags": ["eventfd", "noresize"], "flags_value": "0x9", "index": 4,
      "name": "req", "present": true, "source": "sysfs"
    }
  ],
  "missing": null,
  "msix": {
    "pending": {"offset": "0x4000", "region": 2, "size": 8}, "table": {"offset": "0x0", "region": 2, "size": 512}
  },
  "source": "sysfs"
})json");

const json expected_vfio = json::parse(R"json({
  "container": {
    "api_version": 0,
    "extensions": [
      {"name": "type1_iommu", "number": 1, "present": true},
      {"name": "spapr_tce_iommu", "number": 2, "present": false},
      {"name": "type1v2_iommu", "number": 3, "present": true},
      {"name": "dma_cc_iommu", "number": 4, "present": false},
      {"name": "eeh", "number": 5, "present": false},
      {"name": "type1_nesting_iommu", "number": 6, "present": false},
      {"name": "spapr_tce_v2_iommu", "number": 7, "present": false},
      {"name": "noiommu_iommu", "number": 8, "present": false},
      {"name": "unmap_all", "number": 9, "present": false},
      {"name": "update_vaddr", "number": 10, "present": false}
    ]
  },
  "container_error": null, "devices": ["0000:05:00.0"], "iommu": null, "iommu_error": null, "iommufd": false,
  "modules": [
    {"error": null, "name": "vfio", "state": "loaded"},
    {"error": null, "name": "vfio_pci", "state": "loaded"},
    {"error": null, "name": "vfio_iommu_type1", "state": "loaded"},
    {"error": null, "name": "iommufd", "state": "absent"}
  ],
  "no_iommu": {"enabled": false, "supported": true},
  "nodes": [
    {"gid": 0, "major": 240, "minor": 24, "mode": "0600", "path": "/dev/vfio/24", "uid": 0},
    {"gid": 0, "major": 10, "minor": 196, "mode": "0666", "path": "/dev/vfio/vfio", "uid": 0}
  ],
  "parameters": {"vfio.enable_unsafe_noiommu_mode": "N", "vfio_pci.enable_sriov": "N"}
})json");

// Of ?probe=vfio.
const json expected_iommu = json::parse(R"json({
  "device": "0000:05:00.0", "dirty_tracking": null, "dma_mappings_available": null,
  "extensions": [
    {"name": "type1_iommu", "number": 1, "present": true},
    {"name": "spapr_tce_iommu", "number": 2, "present": false},
    {"name": "type1v2_iommu", "number": 3, "present": true},
    {"name": "dma_cc_iommu", "number": 4, "present": false},
    {"name": "eeh", "number": 5, "present": false},
    {"name": "type1_nesting_iommu", "number": 6, "present": false},
    {"name": "spapr_tce_v2_iommu", "number": 7, "present": false},
    {"name": "noiommu_iommu", "number": 8, "present": false},
    {"name": "unmap_all", "number": 9, "present": false},
    {"name": "update_vaddr", "number": 10, "present": false}
  ],
  "hardware": null, "iova_alignment": null, "iova_ranges": [], "node": "/dev/vfio/24",
  "page_sizes": ["0x1000", "0x200000", "0x40000000"], "way": "group"
})json");

const json expected_group = json::parse(R"json({
  "blockers": [], "direct_mapped": false,
  "members": [{"address": "0000:05:00.0", "blocks_viability": false, "bridge": false, "driver": "vfio-pci"}],
  "merged_by": [], "no_iommu": false,
  "node": {"gid": 0, "major": 240, "minor": 24, "mode": "0600", "path": "/dev/vfio/24", "uid": 0}, "iommu_group": 24,
  "other_members": [], "processes": [], "processes_error": null, "refused_because": null,
  "reserved_regions": [
    {"end": "0x6e7fffff", "firmware": null, "kind": "direct-relaxable", "start": "0x6a000000"},
    {"end": "0xfeefffff", "firmware": null, "kind": "msi", "start": "0xfee00000"}
  ],
  "type": "DMA-FQ", "viability_rule": "dma_ownership", "viable": true
})json");

const json expected_device = json::parse(R"json({
  "address": "0000:05:00.0", "aer": null, "ari_enabled": null,
  "bars": [
    {
      "address": "0x80007b00000", "bits": 64, "flags": "0x14220c", "index": 0, "prefetchable": true,
      "size": 131072, "type": "memory"
    },
    {
      "address": "0x80008a20000", "bits": 64, "flags": "0x14220c", "index": 2, "prefetchable": true,
      "size": 32768, "type": "memory"
    },
    {
      "address": "0x80000200000", "bits": 64, "flags": "0x14220c", "index": 4, "prefetchable": true,
      "size": 1048576, "type": "memory"
    }
  ],
  "boot_vga": null, "bridge_windows": [], "candidates": ["vfio-pci"], "category": "network", "children": [],
  "class": "020000", "class_name": "Ethernet controller", "default_route": false, "device": "0200",
  "device_name": "Hi1822 Family (2*100GE)", "device_serial_number": "01-23-45-67-89-ab-cd-ef",
  "device_serial_number_error": null, "dma_mask_bits": null, "driver": "vfio-pci", "driver_override": "vfio-pci",
  "claim": null, "cordon": null, "drift": null, "incomplete_operation": null, "interface_details": [], "interface_details_error": null, "managed_by": [],
  "driver_override_error": null, "driver_override_set_by": "other", "enable_count": 0, "facts_error": null,
  "firmware_index": null, "interfaces": [], "iommu_group": 24, "irq": null, "label": null, "link": null,
  "local_cpus": null, "modalias": "pci:v000019E5d00000200sv000019E5sd0000D139bc02sc00i00", "module": "vfio_pci",
  "msi_irqs": [],
  "nodes": {
    "device": null,
    "group": {"gid": 0, "major": 240, "minor": 24, "mode": "0600", "path": "/dev/vfio/24", "uid": 0}
  },
  "numa_node": 0, "operation": null, "original": null, "physfn": null,
  "power": {"control": null, "d3cold_allowed": null, "runtime_status": null, "state": null}, "removable": null,
  "reset_methods": null, "resettable": false, "revision": "45",
  "rom": {
    "address": "0xe9200000", "bits": 32, "flags": "0x46200", "index": 0, "prefetchable": true, "size": 1048576,
    "type": "memory"
  },
  "slot": null,
  "sriov": {"drivers_autoprobe": true, "offset": 128, "stride": 2, "total_vfs": 120, "vf_device": "375e", "vfs": 0},
  "sriov_totalvfs": 120, "subsystem_device": "d139", "subsystem_name": "Hi1822 SP572 (2*100GE)",
  "subsystem_vendor": "19e5", "subsystem_vendor_name": "Huawei Technologies Co., Ltd.",
  "sysfs_path": "/sys/devices/pci0000:00/0000:00:0b.0/0000:05:00.0", "upstream": ["0000:00:0b.0"],
  "vendor": "19e5", "vendor_name": "Huawei Technologies Co., Ltd.",
  "vf_bars": [
    {
      "address": "0x80007b20000", "bits": 64, "flags": "0x14220c", "index": 0, "prefetchable": true,
      "size": 7864320, "size_per_vf": 65536, "type": "memory"
    },
    {
      "address": "0x800082a0000", "bits": 64, "flags": "0x14220c", "index": 2, "prefetchable": true,
      "size": 7864320, "size_per_vf": 65536, "type": "memory"
    },
    {
      "address": "0x80000300000", "bits": 64, "flags": "0x14220c", "index": 4, "prefetchable": true,
      "size": 125829120, "size_per_vf": 1048576, "type": "memory"
    }
  ],
  "vfio_bound": true, "virtfns": []
})json");

}  // namespace

TEST_CASE("A hinic port: the regions and IRQs that VFIO reports") {
  Host host;
  auto expected = expected_regions;
  expected["irqs"] = expected_irqs["irqs"];
  expected["probe"] = expected_probe;
  for (const auto* passive : {"complete", "missing"}) expected.erase(passive);
  CHECK(host.probe(api::post_device_probe, card) == expected);
}

TEST_CASE("A hinic port: the regions are those of the listing, number by number") {
  Host host;
  const auto regions = host.probe(api::post_device_probe, card)["regions"];
  std::istringstream lines(
      "0 argsz 32 flags 0x7 cap_offset 0  size 131072  offset 0x0\n"
      "1 argsz 32 flags 0x0 cap_offset 0  size 0       offset 0x10000000000\n"
      "2 argsz 64 flags 0xf cap_offset 32 size 32768   offset 0x20000000000\n"
      "3 argsz 32 flags 0x0 cap_offset 0  size 0       offset 0x30000000000\n"
      "4 argsz 32 flags 0x7 cap_offset 0  size 1048576 offset 0x40000000000\n"
      "5 argsz 32 flags 0x0 cap_offset 0  size 0       offset 0x50000000000\n"
      "6 argsz 32 flags 0x1 cap_offset 0  size 1048576 offset 0x60000000000\n"
      "7 argsz 32 flags 0x3 cap_offset 0  size 4096    offset 0x70000000000\n");
  std::size_t index = 0;
  std::size_t size = 0;
  std::string name;
  std::string argsz;
  std::string flags;
  std::string cap_offset;
  std::string offset;
  std::size_t count = 0;
  while (lines >> index >> name >> argsz >> name >> flags >> name >> cap_offset >> name >> size >> name >> offset) {
    CAPTURE(index);
    REQUIRE(index == count++);
    CHECK(regions.at(index)["index"] == index);
    CHECK(regions.at(index)["flags_value"] == flags);
    CHECK(regions.at(index)["size"] == size);
    CHECK(regions.at(index)["offset"] == offset);
    CHECK(regions.at(index)["present"] == true);
    CHECK(regions.at(index)["capabilities"].empty() == (cap_offset == "0"));
  }
  CHECK(count == 8);
  REQUIRE(regions.size() == 9);
  CHECK(regions[8]["index"] == 8);
  CHECK(regions[8]["present"] == false);
}

TEST_CASE("A hinic port: what can be told of regions and IRQs without opening it") {
  Host host;
  CHECK(host.ask(api::get_regions, card) == expected_passive_regions);
  CHECK(host.ask(api::get_irqs, card) == expected_passive_irqs);
  CHECK(host.kernel->writes().empty());
}

TEST_CASE("A hinic port: both answers agree in index, size and flags, and all but the absent region in offset") {
  for (std::size_t index = 0; index < 9; ++index) {
    CAPTURE(index);
    const auto& active = expected_regions["regions"].at(index);
    const auto& passive = expected_passive_regions["regions"].at(index);
    for (const auto* key : {"index", "name", "present", "size", "flags", "flags_value"})
      CHECK(active[key] == passive[key]);
    CHECK((active["offset"] == passive["offset"]) == (index != 8));
    // This kernel is older than the capability that lets the MSI-X table's BAR be mapped.
    CHECK((active["mappable"] == passive["mappable"]) == (index != 2));
  }
}

TEST_CASE("A hinic port: the container, passively and with its IOMMU") {
  Host host;
  auto expected = expected_vfio;
  for (const auto* asked : {"iommu", "iommu_error"}) expected.erase(asked);
  CHECK(host.ask(api::get_vfio, "") == expected);
  CHECK(host.probe(api::post_vfio_probe, "") == json{{"iommu", expected_iommu}, {"iommu_error", nullptr}});
}

TEST_CASE("A hinic port: its group") {
  Host host;
  CHECK(host.ask(api::get_iommu_group, "24") == expected_group);
}

TEST_CASE("A hinic port: the device with its BARs") {
  Host host;
  CHECK(host.ask(api::get_device, card) == expected_device);
  CHECK(host.kernel->writes().empty());
}

TEST_CASE("A hinic port: the IOMMU of its host, as the kernel's log has it") {
  const auto kernel = machine();
  const auto units = sysfs::list_iommu_units(*kernel).value();
  REQUIRE(units.size() == 1);
  CHECK(units[0].name == "dmar0");
  CHECK(units[0].kind == sysfs::IommuKind::Intel);
  CHECK(units[0].devices == std::vector{at(card)});
  CHECK(units[0].other_devices.empty());
  REQUIRE(units[0].intel.has_value());
  CHECK(units[0].intel->address == 0xfed90000U);
  CHECK(units[0].intel->version == "1:0");
  CHECK(units[0].intel->cap == 0x1c0000c40660462U);
  CHECK(units[0].intel->ecap == 0x19e2ff0505eU);
  sysfs::IntelCapabilities expected;
  expected.domains = 256;
  expected.protected_low_memory = true;
  expected.protected_high_memory = true;
  expected.address_widths = {48};
  expected.max_address_width = 39;  // "Host address width 39"
  expected.zero_length_read = true;
  expected.fault_register_offset = 0x400;
  expected.second_stage_2m_pages = true;
  expected.second_stage_1g_pages = true;
  expected.fault_registers = 1;
  expected.write_draining = true;
  expected.read_draining = true;
  expected.first_stage_1g_pages = true;
  expected.queued_invalidation = true;
  expected.device_tlb = true;
  expected.interrupt_remapping = true;
  expected.extended_interrupt_mode = true;  // "in x2apic mode"
  expected.pass_through = true;
  expected.iotlb_register_offset = 0x500;
  expected.max_handle_mask = 15;
  expected.extended_context = true;
  expected.memory_type = true;
  expected.nested = true;
  expected.page_requests = true;
  expected.no_write_flag = true;
  expected.extended_accessed_flag = true;
  expected.process_address_spaces = true;
  expected.pasid_bits = 20;
  CHECK(sysfs::decode_intel(0x1c0000c40660462, 0x19e2ff0505e) == expected);
  CHECK(units[0].intel->capabilities == expected);
  const auto state = sysfs::read_iommu_state(*kernel);
  CHECK(state.translates);
  CHECK(state.interrupt_remapping == sysfs::Answer::Yes);
}

}  // namespace devbindd::hinic_test
