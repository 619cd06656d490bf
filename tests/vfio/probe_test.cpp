// SPDX-License-Identifier: Apache-2.0
// The active probe: what the kernel is asked in which order, what becomes of its errors, and what its answers mean.
#include "vfio/probe.hpp"

#include <linux/vfio.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include "tests/catch2.hpp"
#include "tests/fake_ioctl.hpp"
#include "vfio/question.hpp"
#include "vfio/uapi.hpp"

namespace devbindd::probe_test {

namespace {

using namespace devbindd;
using namespace devbindd::vfio;
using tests::FakeCall;
using tests::FakeIoctl;
using Names = std::vector<std::string>;

const ProbeQuery by_group{.way = ProbeWay::Group, .address = "0000:05:00.0", .node = "/dev/vfio/24"};
const ProbeQuery by_cdev{.way = ProbeWay::Cdev, .address = "0000:05:00.0", .node = "/dev/vfio/devices/vfio0"};

std::string node_of(const ProbeQuery& query) { return query.node; }

template <class... Parts>
Bytes joined(const Parts&... parts) {
  Bytes bytes;
  const auto add = [&bytes](const auto& part) {
    const auto more = bytes_of(part);
    bytes.insert(bytes.end(), more.begin(), more.end());
  };
  (add(parts), ...);
  return bytes;
}

// A kernel that answers by what it is asked. Without an answer of its own a request is ENOTTY.
class KernelIoctl final : public Ioctl {
 public:
  using Handler = std::function<int(Bytes&)>;  // an errno, or 0 with the bytes filled

  KernelIoctl() {
    handlers[VFIO_GROUP_GET_STATUS] = filling(vfio_group_status{.argsz = 8, .flags = 3});
    handlers[VFIO_GROUP_SET_CONTAINER] = [](Bytes&) { return 0; };
    handlers[VFIO_GROUP_GET_DEVICE_FD] = [](Bytes&) { return 0; };
    handlers[uapi::device_bind_iommufd] =
        filling(uapi::BindIommufd{.argsz = 16, .flags = 0, .iommufd = -1, .out_devid = 7});
    handlers[VFIO_DEVICE_GET_INFO] =
        filling(vfio_device_info{.argsz = 20, .flags = 3, .num_regions = 2, .num_irqs = 1, .cap_offset = 0});
  }

  template <class Struct>
  static Handler filling(const Struct& answer) {
    return [answer](Bytes& argument) {
      std::memcpy(argument.data(), &answer, std::min(argument.size(), sizeof answer));
      return 0;
    };
  }
  static Handler failing(int errno_value) {
    return [errno_value](Bytes&) { return errno_value; };
  }

  Result<FileDescriptor> open_container() const override { return FileDescriptor(); }
  Result<int> api_version(const FileDescriptor&) const override { return 0; }
  Result<int> check_extension(const FileDescriptor&, unsigned long extension) const override {
    return extension == 3 ? 1 : 0;
  }
  Result<FileDescriptor> open_node(const std::string&) const override { return FileDescriptor(); }
  Result<int> call(const FileDescriptor&, unsigned long request, Bytes& argument) const override {
    requests.push_back(request);
    arguments.push_back(argument);
    const auto found = handlers.find(request);
    const int error = found == handlers.end() ? ENOTTY : found->second(argument);
    if (error != 0) return sysfs::fail(sysfs::ErrorCode::Kernel, "failed", error);
    return request == VFIO_GROUP_GET_DEVICE_FD ? -1 : 0;
  }
  Result<int> call(const FileDescriptor&, unsigned long request, unsigned long argument) const override {
    requests.push_back(request);
    arguments.push_back(bytes_of(argument));
    return 0;
  }

  std::size_t count(unsigned long request) const {
    return static_cast<std::size_t>(std::ranges::count(requests, request));
  }

  std::map<unsigned long, Handler> handlers;
  mutable std::vector<unsigned long> requests;
  mutable std::vector<Bytes> arguments;
};

const RawAnswer* find(const std::vector<RawAnswer>& answers, const std::string& question) {
  const auto found = std::ranges::find(answers, question, &RawAnswer::question);
  return found == answers.end() ? nullptr : &*found;
}

RawAnswer answer_to(const KernelIoctl& ioctl, const std::string& question, const ProbeQuery& query = by_group) {
  const auto answers = probe(ioctl, query).value();
  const auto* found = find(answers, question);
  REQUIRE(found != nullptr);
  return *found;
}

ProbeReport parsed(const std::vector<RawAnswer>& answers) { return parse_probe(answers).value(); }

// The calls on the way in by the group, all of them good.
std::vector<FakeCall> way_in_by_group() {
  return {{.name = "open_container"},
          {.name = "open_node", .path = node_of(by_group)},
          {.name = "call", .number = VFIO_GROUP_GET_STATUS},
          {.name = "call", .number = VFIO_GROUP_SET_CONTAINER},
          {.name = "call", .number = VFIO_SET_IOMMU},
          {.name = "call", .number = VFIO_GROUP_GET_DEVICE_FD, .answer = -1}};
}
std::vector<FakeCall> way_in_by_cdev() {
  return {{.name = "open_node", .path = "/dev/iommu"},
          {.name = "open_node", .path = node_of(by_cdev)},
          {.name = "call", .number = uapi::device_bind_iommufd}};
}

void expect(FakeIoctl& ioctl, const std::vector<FakeCall>& calls) {
  for (const auto& call : calls) ioctl.expect(call);
}

// The first `good` calls of the way, and then one that fails.
FakeIoctl failing_at(std::vector<FakeCall> calls, std::size_t good, int errno_value) {
  calls.resize(good + 1);
  calls.back().errno_value = errno_value;
  FakeIoctl ioctl;
  expect(ioctl, calls);
  return ioctl;
}

std::vector<FakeCall> feature_calls() {
  std::vector<FakeCall> calls(29, {.name = "call", .number = VFIO_DEVICE_FEATURE, .errno_value = ENOTTY});
  return calls;
}

}  // namespace

TEST_CASE("By the group: the calls in their order, and nothing else") {
  FakeIoctl ioctl;
  expect(ioctl, way_in_by_group());
  ioctl.expect({.name = "call",
                .number = VFIO_DEVICE_GET_INFO,
                .filled = bytes_of(
                    vfio_device_info{.argsz = 20, .flags = 2, .num_regions = 1, .num_irqs = 1, .cap_offset = 0})});
  ioctl.expect({.name = "call", .number = VFIO_DEVICE_GET_REGION_INFO});
  ioctl.expect({.name = "call", .number = VFIO_DEVICE_GET_IRQ_INFO});
  ioctl.expect({.name = "call", .number = VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, .errno_value = ENODEV});
  expect(ioctl, feature_calls());
  ioctl.expect({.name = "call", .number = VFIO_IOMMU_GET_INFO, .errno_value = ENOTTY});
  const auto answers = probe(ioctl, by_group);
  REQUIRE(answers);
  CHECK(ioctl.used_up());
  Names questions;
  for (const auto& answer : *answers) questions.push_back(answer.question);
  Names expected{"group_status", "device_info", "region/0", "irq/0", "hot_reset"};
  for (int index = 0; index < 14; ++index) {
    expected.push_back("feature_get/" + std::to_string(index));
    expected.push_back("feature_set/" + std::to_string(index));
  }
  expected.insert(expected.end(), {"migration", "iommu_info"});
  CHECK(questions == expected);
}

TEST_CASE("By the device's node: bound to an iommufd, and its IOMMU is asked last") {
  FakeIoctl ioctl;
  expect(ioctl, way_in_by_cdev());
  ioctl.expect({.name = "call", .number = VFIO_DEVICE_GET_INFO, .errno_value = EIO});
  ioctl.expect({.name = "call", .number = VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, .errno_value = ENODEV});
  expect(ioctl, feature_calls());
  ioctl.expect({.name = "call", .number = uapi::get_hw_info, .errno_value = EOPNOTSUPP});
  ioctl.expect({.name = "call", .number = uapi::ioas_alloc});
  ioctl.expect({.name = "call", .number = uapi::device_attach_iommufd_pt});
  ioctl.expect({.name = "call", .number = uapi::ioas_iova_ranges});
  const auto answers = probe(ioctl, by_cdev);
  REQUIRE(answers);
  CHECK(ioctl.used_up());
  CHECK(find(*answers, "device_info")->errno_value == EIO);
  CHECK(find(*answers, "hw_info")->errno_value == EOPNOTSUPP);
  CHECK(find(*answers, "ioas_ranges")->errno_value == 0);
  CHECK(find(*answers, "group_status") == nullptr);
}

TEST_CASE("A step that fails on the way in ends the probe with its errno") {
  const auto errno_value = GENERATE(values<int>({EBUSY, EPERM, EACCES, ENODEV, EINVAL}));
  for (const auto step : {0U, 1U, 3U, 4U, 5U}) {  // the group's status is a question, not a step
    CAPTURE(errno_value, step);
    const auto ioctl = failing_at(way_in_by_group(), step, errno_value);
    const auto answers = probe(ioctl, by_group);
    REQUIRE(!answers);
    CHECK(answers.error().code == sysfs::ErrorCode::Kernel);
    CHECK(answers.error().errno_value == errno_value);
    CHECK(ioctl.used_up());
  }
  for (const auto step : {0U, 1U, 2U}) {
    CAPTURE(errno_value, step);
    const auto device = failing_at(way_in_by_cdev(), step, errno_value);
    CHECK(probe(device, by_cdev).error().errno_value == errno_value);
    CHECK(device.used_up());
    const auto iommu = failing_at(way_in_by_cdev(), step, errno_value);
    CHECK(probe_iommu(iommu, by_cdev).error().errno_value == errno_value);
    CHECK(iommu.used_up());
  }
}

TEST_CASE("A device whose lock is taken is tried again, five times in all") {
  for (std::size_t busy = 1; busy <= 4; ++busy) {
    KernelIoctl ioctl;
    auto left = busy;
    ioctl.handlers[VFIO_GROUP_GET_DEVICE_FD] = [&left](Bytes&) { return left > 0 ? (--left, EAGAIN) : 0; };
    CHECK(probe(ioctl, by_group).has_value());
    CHECK(ioctl.count(VFIO_GROUP_GET_DEVICE_FD) == busy + 1);
  }
  KernelIoctl ioctl;
  ioctl.handlers[VFIO_GROUP_GET_DEVICE_FD] = KernelIoctl::failing(EAGAIN);
  CHECK(probe(ioctl, by_group).error().errno_value == EAGAIN);
  CHECK(ioctl.count(VFIO_GROUP_GET_DEVICE_FD) == 5);
}

TEST_CASE("The device is asked for by its name, with the end of a C string") {
  KernelIoctl ioctl;
  REQUIRE(probe(ioctl, by_group));
  const auto asked = std::ranges::find(ioctl.requests, VFIO_GROUP_GET_DEVICE_FD) - ioctl.requests.begin();
  const auto& name = ioctl.arguments[static_cast<std::size_t>(asked)];
  CHECK(std::string(reinterpret_cast<const char*>(name.data()), name.size()) == std::string("0000:05:00.0\0", 13));
}

TEST_CASE("The IOMMU is of type 1, version 2, or none at all") {
  KernelIoctl ioctl;
  auto query = by_group;
  query.no_iommu = GENERATE(false, true);
  const auto iommu_alone = GENERATE(false, true);
  REQUIRE((iommu_alone ? probe_iommu(ioctl, query) : probe(ioctl, query)));
  const auto asked = std::ranges::find(ioctl.requests, VFIO_SET_IOMMU) - ioctl.requests.begin();
  const unsigned long type = query.no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;
  CHECK(ioctl.arguments.at(static_cast<std::size_t>(asked)) == bytes_of(type));
}

TEST_CASE("Every region and IRQ is asked by its index, and errors are answers") {
  KernelIoctl ioctl;
  ioctl.handlers[VFIO_DEVICE_GET_INFO] =
      KernelIoctl::filling(vfio_device_info{.argsz = 20, .flags = 3, .num_regions = 3, .num_irqs = 2, .cap_offset = 0});
  ioctl.handlers[VFIO_DEVICE_GET_REGION_INFO] = [](Bytes& argument) {
    vfio_region_info info{};
    std::memcpy(&info, argument.data(), sizeof info);
    info.size = 100 + info.index;
    std::memcpy(argument.data(), &info, sizeof info);
    return info.index == 1 ? EINVAL : 0;
  };
  ioctl.handlers[VFIO_DEVICE_GET_IRQ_INFO] = [](Bytes& argument) {
    vfio_irq_info info{};
    std::memcpy(&info, argument.data(), sizeof info);
    info.count = 200 + info.index;
    std::memcpy(argument.data(), &info, sizeof info);
    return info.index == 0 ? ENOTTY : 0;
  };
  const auto report = parsed(probe(ioctl, by_group).value());
  CHECK(report.region_count == 3);
  REQUIRE(report.regions.size() == 3);
  CHECK((report.regions[0].present && report.regions[0].size == 100));
  CHECK((!report.regions[1].present && report.regions[1].errno_value == EINVAL && report.regions[1].index == 1));
  CHECK((report.regions[2].present && report.regions[2].size == 102 && report.regions[2].index == 2));
  CHECK(report.irqs == std::vector<Irq>{
                           {.index = 0, .present = false, .errno_value = ENOTTY},
                           {.index = 1, .present = true, .errno_value = 0, .flags = 0, .count = 201},
                       });
}

TEST_CASE("A device that claims very many indices is asked for 64") {
  KernelIoctl ioctl;
  ioctl.handlers[VFIO_DEVICE_GET_INFO] = KernelIoctl::filling(
      vfio_device_info{.argsz = 20, .flags = 3, .num_regions = 0xffffffff, .num_irqs = 0xffffffff, .cap_offset = 0});
  ioctl.handlers[VFIO_DEVICE_GET_REGION_INFO] = [](Bytes&) { return 0; };
  ioctl.handlers[VFIO_DEVICE_GET_IRQ_INFO] = [](Bytes&) { return 0; };
  REQUIRE(probe(ioctl, by_group));
  CHECK(ioctl.count(VFIO_DEVICE_GET_REGION_INFO) == 64);
  CHECK(ioctl.count(VFIO_DEVICE_GET_IRQ_INFO) == 64);
}

TEST_CASE("A region with capabilities is asked again with the room that the kernel wants") {
  KernelIoctl ioctl;
  ioctl.handlers[VFIO_DEVICE_GET_REGION_INFO] = [](Bytes& argument) {
    vfio_region_info info{};
    std::memcpy(&info, argument.data(), sizeof info);
    if (info.argsz != argument.size()) return EFAULT;
    info.flags = 0xf;
    info.size = 0x8000;
    if (info.argsz < 64) {
      info.argsz = 64;
    } else {
      info.cap_offset = 32;
      const vfio_info_cap_header sparse{.id = 1, .version = 1, .next = 0};
      std::memcpy(argument.data() + 32, &sparse, sizeof sparse);
    }
    std::memcpy(argument.data(), &info, sizeof info);
    return 0;
  };
  const auto answer = answer_to(ioctl, "region/1");
  CHECK(ioctl.count(VFIO_DEVICE_GET_REGION_INFO) == 4);  // twice for each of two
  CHECK(answer.bytes.size() == 64);
  const auto region = parse_region_info(1, answer.bytes).value();
  CHECK(region.problems.empty());
  REQUIRE(region.capabilities.size() == 1);
  CHECK(mappable(region).areas.empty());
}

TEST_CASE("Nobody gets more room than 1 MiB, and an error of the second call is the answer") {
  KernelIoctl ioctl;
  std::uint32_t wanted = max_answer + 1;
  int error = 0;
  ioctl.handlers[VFIO_DEVICE_GET_REGION_INFO] = [&](Bytes& argument) {
    if (argument.size() > 32) return error;
    std::memcpy(argument.data(), &wanted, sizeof wanted);
    return 0;
  };
  CHECK(answer_to(ioctl, "region/0").bytes.size() == 32);
  CHECK(ioctl.count(VFIO_DEVICE_GET_REGION_INFO) == 2);
  wanted = max_answer;
  CHECK(answer_to(ioctl, "region/0").bytes.size() == max_answer);
  error = EFAULT;
  CHECK(answer_to(ioctl, "region/0") == RawAnswer{"region/0", EFAULT, {}});
}

// By the node: on a container the same number asks for the IOMMU.
TEST_CASE("The scope of a hot reset takes two calls: how many, and who") {
  KernelIoctl ioctl;
  ioctl.handlers[VFIO_DEVICE_GET_PCI_HOT_RESET_INFO] = [](Bytes& argument) {
    const bool room = argument.size() >= 28 && argsz_of(argument) == argument.size();
    const auto answer = joined(std::uint32_t{28}, std::uint32_t{0}, std::uint32_t{2}, std::uint32_t{24},
                               std::uint16_t{0}, std::uint8_t{5}, std::uint8_t{0x00}, std::uint32_t{25},
                               std::uint16_t{1}, std::uint8_t{6}, std::uint8_t{0xfb});
    std::memcpy(argument.data(), answer.data(), std::min(argument.size(), answer.size()));
    return room ? 0 : ENOSPC;
  };
  const auto report = parsed({answer_to(ioctl, "hot_reset", by_cdev)});
  CHECK(ioctl.count(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO) == 2);
  CHECK(report.reset_errno == 0);
  CHECK(!report.reset_by_device_id);
  CHECK(report.reset_neighbours == std::vector<ResetNeighbour>{
                                       {.group_or_device = 24, .segment = 0, .bus = 5, .slot = 0, .function = 0},
                                       {.group_or_device = 25, .segment = 1, .bus = 6, .slot = 31, .function = 3},
                                   });
}

TEST_CASE("A hot reset that always wants more room, absurdly much, or fails, is an error of that question alone") {
  KernelIoctl ioctl;
  std::uint32_t count = 1;
  int error = ENOSPC;
  ioctl.handlers[VFIO_DEVICE_GET_PCI_HOT_RESET_INFO] = [&](Bytes& argument) {
    std::memcpy(argument.data() + 8, &count, sizeof count);
    return error;
  };
  CHECK(answer_to(ioctl, "hot_reset", by_cdev) == RawAnswer{"hot_reset", ENOSPC, {}});
  CHECK(ioctl.count(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO) == 3);
  ioctl.requests.clear();
  count = max_answer / 8 + 1;
  CHECK(answer_to(ioctl, "hot_reset", by_cdev).errno_value == ENOSPC);
  CHECK(ioctl.count(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO) == 1);
  error = ENODEV;
  const auto report = parsed(probe(ioctl, by_cdev).value());
  CHECK(report.reset_errno == ENODEV);
  CHECK(report.reset_neighbours.empty());
}

TEST_CASE("Features are probed for reading and for setting, and those there are listed") {
  KernelIoctl ioctl;
  ioctl.handlers[VFIO_DEVICE_FEATURE] = [](Bytes& argument) {
    vfio_device_feature feature{};
    std::memcpy(&feature, argument.data(), sizeof feature);
    if (feature.argsz != argument.size()) return EINVAL;
    const auto index = feature.flags & uapi::feature_index_mask;
    const bool probing = (feature.flags & uapi::feature_probe) != 0;
    const bool get = (feature.flags & uapi::feature_get) != 0;
    const bool set = (feature.flags & uapi::feature_set) != 0;
    if (get == set) return EINVAL;
    if (!probing && index == 1 && get && argument.size() == 16) {
      const std::uint64_t stop_copy_and_p2p = 3;
      std::memcpy(argument.data() + 8, &stop_copy_and_p2p, sizeof stop_copy_and_p2p);
      return 0;
    }
    if (!probing) return EINVAL;
    if (index == 0 && set) return 0;
    if (index == 1 && get) return 0;
    return index == 2 ? 0 : ENOTTY;
  };
  const auto report = parsed(probe(ioctl, by_group).value());
  CHECK(report.features == std::vector<DeviceFeature>{{.index = 0, .get = false, .set = true},
                                                      {.index = 1, .get = true, .set = false},
                                                      {.index = 2, .get = true, .set = true}});
  CHECK(report.migration_flags == 3U);
}

TEST_CASE("The IOMMU alone, by the group: no device is opened") {
  FakeIoctl ioctl;
  auto calls = way_in_by_group();
  calls.erase(calls.begin() + 2);  // the status
  calls.pop_back();                // the device
  expect(ioctl, calls);
  for (unsigned long number = 1; number <= 10; ++number)
    ioctl.expect({.name = "check_extension", .number = number, .answer = number == 3 ? 1 : 0});
  ioctl.expect({.name = "call",
                .number = VFIO_IOMMU_GET_INFO,
                .filled = joined(std::uint32_t{20}, std::uint32_t{1}, std::uint64_t{0xfffff000}, std::uint32_t{0})});
  const auto report = parsed(probe_iommu(ioctl, by_group).value());
  CHECK(ioctl.used_up());
  REQUIRE(report.extensions.size() == 10);
  CHECK(report.extensions[2] == std::pair(3UL, 1));
  CHECK(report.extensions[9] == std::pair(10UL, 0));
  REQUIRE(report.iommu.has_value());
  CHECK(report.iommu->page_sizes == 0xfffff000U);
}

TEST_CASE("The IOMMU alone, by the group: a step that fails ends it") {
  auto calls = way_in_by_group();
  calls.erase(calls.begin() + 2);
  calls.back() = {.name = "check_extension", .number = 1};
  for (std::size_t step = 0; step < calls.size(); ++step) {
    CAPTURE(step);
    const auto ioctl = failing_at(calls, step, EBUSY);
    CHECK(probe_iommu(ioctl, by_group).error().errno_value == EBUSY);
    CHECK(ioctl.used_up());
  }
}

TEST_CASE("The IOMMU alone, by the node: a space is made, the device put into it, its ranges read") {
  KernelIoctl ioctl;
  ioctl.handlers[uapi::get_hw_info] = [](Bytes& argument) {
    uapi::HwInfo info{};
    std::memcpy(&info, argument.data(), sizeof info);
    if (info.dev_id != 7 || info.size != sizeof info) return EINVAL;
    info.out_data_type = 1;
    info.out_capabilities = 1;
    std::memcpy(argument.data(), &info, sizeof info);
    return 0;
  };
  ioctl.handlers[uapi::ioas_alloc] =
      KernelIoctl::filling(uapi::IoasAlloc{.size = sizeof(uapi::IoasAlloc), .flags = 0, .out_ioas_id = 9});
  ioctl.handlers[uapi::device_attach_iommufd_pt] = [](Bytes& argument) {
    uapi::AttachIommufdPt attach{};
    std::memcpy(&attach, argument.data(), sizeof attach);
    return attach.pt_id == 9 ? 0 : ENOENT;
  };
  ioctl.handlers[uapi::ioas_iova_ranges] = [](Bytes& argument) {
    uapi::IoasIovaRanges query{};
    std::memcpy(&query, argument.data(), sizeof query);
    if (query.ioas_id != 9 || query.num_iovas < 2) return EINVAL;
    auto* ranges = reinterpret_cast<uapi::IovaRange*>(query.allowed_iovas);
    ranges[0] = {.start = 0, .last = 0xfedfffff};
    ranges[1] = {.start = 0xfef00000, .last = 0xffffffffffffffff};
    query.num_iovas = 2;
    query.out_iova_alignment = 4096;
    std::memcpy(argument.data(), &query, sizeof query);
    return 0;
  };
  const auto report = parsed(probe_iommu(ioctl, by_cdev).value());
  REQUIRE(report.iommu.has_value());
  CHECK(!report.iommu->page_sizes);
  CHECK(report.iommu->iova_ranges ==
        std::vector<SparseArea>{{0, 0xfee00000}, {0xfef00000, 0xffffffffffffffff - 0xfef00000 + 1}});
  CHECK(report.iommu->alignment == 4096U);
  CHECK(report.iommu->hardware_type == 1U);
  CHECK(report.iommu->capabilities == 1U);
}

TEST_CASE("An iommufd that fails later is an answer without ranges") {
  const auto request =
      GENERATE(values<unsigned long>({uapi::ioas_alloc, uapi::device_attach_iommufd_pt, uapi::ioas_iova_ranges}));
  KernelIoctl ioctl;
  for (const auto other : {uapi::ioas_alloc, uapi::device_attach_iommufd_pt, uapi::ioas_iova_ranges})
    ioctl.handlers[other] = [](Bytes&) { return 0; };
  ioctl.handlers[request] = KernelIoctl::failing(EMSGSIZE);
  const auto answers = probe_iommu(ioctl, by_cdev).value();
  REQUIRE(find(answers, "ioas_ranges") != nullptr);
  CHECK(*find(answers, "ioas_ranges") == RawAnswer{"ioas_ranges", EMSGSIZE, {}});
  CHECK(!parsed(answers).iommu.has_value());
}

TEST_CASE("No answers are an empty report") {
  const auto report = parsed({});
  CHECK(report.regions.empty());
  CHECK(!report.iommu);
  CHECK(!report.group_flags);
  CHECK(!report.migration_flags);
}

TEST_CASE("Answers that failed leave nothing behind") {
  const auto report = parsed({{"device_info", EIO, {}},
                              {"group_status", EIO, {}},
                              {"feature_get/3", ENOTTY, {}},
                              {"feature_set/3", EINVAL, {}},
                              {"migration", ENOTTY, Bytes(16)},
                              {"iommu_info", ENOTTY, Bytes(20)},
                              {"hw_info", EOPNOTSUPP, Bytes(40)},
                              {"ioas_ranges", ENOENT, Bytes(24)},
                              {"a question of a later version", 0, Bytes(4)}});
  CHECK(report.device_flags == 0);
  CHECK(!report.group_flags);
  CHECK(report.features.empty());
  CHECK(!report.migration_flags);
  CHECK(!report.iommu.has_value());
}

TEST_CASE("An answer about a region or an IRQ that is too short is an error") {
  CHECK(parse_probe({{"region/0", 0, Bytes(31)}}).error().code == sysfs::ErrorCode::Kernel);
  CHECK(parse_probe({{"irq/0", 0, Bytes(15)}}).error().code == sysfs::ErrorCode::Kernel);
}

TEST_CASE("What a type 1 IOMMU can map: page sizes, usable addresses, mappings that are left") {
  const auto bytes = joined(std::uint32_t{84}, std::uint32_t{3}, std::uint64_t{0x40201000}, std::uint32_t{24},
                            std::uint32_t{0},                                        // 24: IOVA ranges
                            std::uint16_t{1}, std::uint16_t{1}, std::uint32_t{72},   //
                            std::uint32_t{2}, std::uint32_t{0},                      //
                            std::uint64_t{0}, std::uint64_t{0xfedfffff},             //
                            std::uint64_t{0xfef00000}, std::uint64_t{0x7fffffffff},  //
                            std::uint16_t{3}, std::uint16_t{1}, std::uint32_t{0},    // 72: mappings left
                            std::uint32_t{65535});
  const auto report = parsed({{"iommu_info", 0, bytes}});
  REQUIRE(report.iommu.has_value());
  CHECK(report.iommu->page_sizes == 0x40201000U);
  CHECK(report.iommu->iova_ranges == std::vector<SparseArea>{{0, 0xfee00000}, {0xfef00000, 0x8000000000 - 0xfef00000}});
  CHECK(report.iommu->dma_available == 65535U);
  CHECK(!report.iommu->alignment);
  CHECK(!report.iommu->hardware_type);
}

TEST_CASE("A chain of an IOMMU that lies is not followed") {
  // flags, where the chain begins, where its link at 24 leads, how many ranges it claims, how many are read
  const auto [flags, first, next, claimed, ranges] =
      GENERATE(table<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::size_t>({
          {1, 24, 0, 1, 0},  // without the flag there is no chain
          {3, 0, 0, 1, 0},
          {3, 16, 0, 1, 0},          // the fixed part
          {3, 0xffffffff, 0, 1, 0},  // nowhere
          {3, 24, 24, 1, 1},         // itself
          {3, 24, 0xfffffff0, 1, 1},
          {3, 24, 0, 0xffffffff, 1},
      }));
  CAPTURE(flags, first, next, claimed);
  const auto bytes = joined(std::uint32_t{56}, flags, std::uint64_t{0x1000}, first, std::uint32_t{0},  //
                            std::uint16_t{1}, std::uint16_t{1}, next, claimed, std::uint32_t{0},       //
                            std::uint64_t{0x1000}, std::uint64_t{0x1fff});
  const auto report = parsed({{"iommu_info", 0, bytes}});
  REQUIRE(report.iommu.has_value());
  CHECK(report.iommu->iova_ranges.size() == ranges);
}

TEST_CASE("The scope of a hot reset that is cut off has the entries that came") {
  auto bytes = joined(std::uint32_t{20}, std::uint32_t{1}, std::uint32_t{0xffffffff}, std::uint32_t{3},
                      std::uint16_t{0}, std::uint8_t{1}, std::uint8_t{8});
  bytes.resize(bytes.size() + 7);
  const auto report = parsed({{"hot_reset", 0, bytes}});
  CHECK(report.reset_by_device_id);
  CHECK(report.reset_neighbours ==
        std::vector<ResetNeighbour>{{.group_or_device = 3, .segment = 0, .bus = 1, .slot = 1, .function = 0}});
}

TEST_CASE("Features have names, and unknown ones their number") {
  CHECK(feature_name(0) == "vf_token");
  CHECK(feature_name(1) == "migration");
  CHECK(feature_name(3) == "low_power_entry");
  CHECK(feature_name(6) == "dma_logging_start");
  CHECK(feature_name(9) == "migration_data_size");
  CHECK(feature_name(10) == "bus_master");
  CHECK(feature_name(14) == "feature_14");
}

}  // namespace devbindd::probe_test
