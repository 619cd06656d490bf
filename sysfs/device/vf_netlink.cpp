// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/vf_netlink.hpp"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <vector>

#include "sysfs/kernel/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::uint32_t unsupported = ~0U;

using Mac = std::array<std::uint8_t, 6>;
using Attributes = std::array<nlattr*, IFLA_VF_MAX + 1>;

template <class Value>
std::optional<Value> value_of(nlattr* attribute) {
  Value value{};
  if (attribute == nullptr || nla_len(attribute) < static_cast<int>(sizeof(value))) return std::nullopt;
  std::memcpy(&value, nla_data(attribute), sizeof(value));
  return value;
}

template <class Setting>
std::optional<bool> switch_of(nlattr* attribute) {
  const auto setting = value_of<Setting>(attribute);
  return setting && setting->setting != unsupported ? std::optional(setting->setting != 0) : std::nullopt;
}

std::optional<VfVlan> vlan_of(nlattr* list) {
  if (list == nullptr) return std::nullopt;
  auto* first = nla_find(static_cast<nlattr*>(nla_data(list)), nla_len(list), IFLA_VF_VLAN_INFO);
  const auto info = value_of<ifla_vf_vlan_info>(first);
  if (!info) return std::nullopt;
  return VfVlan{info->vlan, info->qos, ntohs(info->vlan_proto)};
}

// `ethernet`: other interfaces have no MAC addresses of six bytes.
std::optional<std::pair<unsigned, VfSettings>> settings_of(nlattr* function, bool ethernet) {
  Attributes attributes{};
  if (nla_parse_nested(attributes.data(), IFLA_VF_MAX, function, nullptr) < 0) return std::nullopt;
  const auto mac = value_of<ifla_vf_mac>(attributes[IFLA_VF_MAC]);
  if (!mac) return std::nullopt;
  VfSettings settings;
  if (ethernet) {
    settings.mac.emplace();
    std::copy_n(mac->mac, settings.mac->size(), settings.mac->begin());
  }
  settings.vlan = vlan_of(attributes[IFLA_VF_VLAN_LIST]);
  if (const auto rates = value_of<ifla_vf_rate>(attributes[IFLA_VF_RATE]))
    settings.rates = VfRates{rates->min_tx_rate, rates->max_tx_rate};
  settings.spoof_check = switch_of<ifla_vf_spoofchk>(attributes[IFLA_VF_SPOOFCHK]);
  if (const auto state = value_of<ifla_vf_link_state>(attributes[IFLA_VF_LINK_STATE]);
      state && state->link_state < vf_link_states)
    settings.state = state->link_state;
  settings.trust = switch_of<ifla_vf_trust>(attributes[IFLA_VF_TRUST]);
  settings.query_rss = switch_of<ifla_vf_rss_query_en>(attributes[IFLA_VF_RSS_QUERY_EN]);
  return std::pair{mac->vf, settings};
}

void add_settings(nlmsghdr* message, std::map<unsigned, VfSettings>& settings) {
  std::array<nlattr*, IFLA_MAX + 1> attributes{};
  if (message->nlmsg_type != RTM_NEWLINK) return;
  if (nlmsg_parse(message, sizeof(ifinfomsg), attributes.data(), IFLA_MAX, nullptr) < 0) return;
  if (attributes[IFLA_VFINFO_LIST] == nullptr) return;
  const bool ethernet = attributes[IFLA_ADDRESS] != nullptr && nla_len(attributes[IFLA_ADDRESS]) == ETH_ALEN;
  nlattr* function = nullptr;
  int rest = 0;
  nla_for_each_nested(function, attributes[IFLA_VFINFO_LIST], rest) {
    if (auto found = settings_of(function, ethernet)) settings.insert(std::move(*found));
  }
}

netlink::Message request_for(int type, int flags, unsigned interface_index) {
  netlink::Message request(nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags));
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(interface_index);
  if (request && nlmsg_append(request.get(), &header, sizeof(header), NLMSG_ALIGNTO) < 0) request.reset();
  return request;
}

std::unexpected<Error> no_memory() { return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM); }

Result<std::map<unsigned, VfSettings>> read(nl_sock* socket, const std::string& interface, unsigned index) {
  const auto request = request_for(RTM_GETLINK, 0, index);
  if (!request || nla_put_u32(request.get(), IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS) < 0)
    return no_memory();
  // The answer is one message, however many VFs there are: hundreds do not fit into the usual room.
  nl_socket_enable_msg_peek(socket);
  std::map<unsigned, VfSettings> settings;
  auto done = netlink::ask(socket, request.get(), "read the settings of the virtual functions of " + interface,
                           [&settings](nlmsghdr* message) { add_settings(message, settings); });
  if (!done) return std::unexpected(done.error());
  return settings;
}

// One setting as the attribute that carries it.
struct Change {
  std::string what;  ///< "MAC address"
  std::function<int(nl_msg*)> put;
};

template <class Value>
Change change(std::string what, int attribute, Value value) {
  return {std::move(what), [attribute, value](nl_msg* message) {
            return nla_put(message, attribute, static_cast<int>(sizeof(value)), &value);
          }};
}

Change vlan_change(std::uint32_t function, const VfVlan& vlan) {
  const ifla_vf_vlan_info info{
      .vf = function, .vlan = vlan.id, .qos = vlan.priority, .vlan_proto = htons(vlan.protocol)};
  return {"VLAN", [info](nl_msg* message) {
            auto* list = nla_nest_start(message, IFLA_VF_VLAN_LIST);
            if (list == nullptr) return -ENOMEM;
            const int code = nla_put(message, IFLA_VF_VLAN_INFO, static_cast<int>(sizeof(info)), &info);
            nla_nest_end(message, list);
            return code;
          }};
}

Change mac_change(std::uint32_t function, const Mac& mac) {
  ifla_vf_mac value{};
  value.vf = function;
  std::ranges::copy(mac, value.mac);
  return change("MAC address", IFLA_VF_MAC, value);
}

// A driver may let only trusted VFs have some of the others: first of all.
std::vector<Change> changes_for(std::uint32_t function, const VfSettings& settings) {
  std::vector<Change> changes;
  const auto on = [](bool value) { return value ? 1U : 0U; };
  if (settings.trust)
    changes.push_back(change("trust", IFLA_VF_TRUST, ifla_vf_trust{.vf = function, .setting = on(*settings.trust)}));
  if (settings.mac) changes.push_back(mac_change(function, *settings.mac));
  if (settings.vlan) changes.push_back(vlan_change(function, *settings.vlan));
  if (settings.rates) {
    changes.push_back(change(
        "transmit rates", IFLA_VF_RATE,
        ifla_vf_rate{.vf = function, .min_tx_rate = settings.rates->least, .max_tx_rate = settings.rates->most}));
  }
  if (settings.spoof_check) {
    changes.push_back(change("spoof checking", IFLA_VF_SPOOFCHK,
                             ifla_vf_spoofchk{.vf = function, .setting = on(*settings.spoof_check)}));
  }
  if (settings.state) {
    changes.push_back(
        change("link state", IFLA_VF_LINK_STATE, ifla_vf_link_state{.vf = function, .link_state = *settings.state}));
  }
  if (settings.query_rss) {
    changes.push_back(change("RSS query", IFLA_VF_RSS_QUERY_EN,
                             ifla_vf_rss_query_en{.vf = function, .setting = on(*settings.query_rss)}));
  }
  return changes;
}

Result<> set(nl_sock* socket, unsigned interface_index, const Change& change, const std::string& whose) {
  const auto request = request_for(RTM_SETLINK, 0, interface_index);
  if (!request) return no_memory();
  auto* list = nla_nest_start(request.get(), IFLA_VFINFO_LIST);
  auto* function = list != nullptr ? nla_nest_start(request.get(), IFLA_VF_INFO) : nullptr;
  if (function == nullptr || change.put(request.get()) < 0) return no_memory();
  nla_nest_end(request.get(), function);
  nla_nest_end(request.get(), list);
  return netlink::ask(socket, request.get(), "set the " + change.what + " of " + whose);
}

constexpr std::chrono::seconds patience{10};
constexpr int pause_ms = 200;

// A driver that is just resetting the VF says EAGAIN; a changed number of VFs takes the PF's link down for a while, and
// without a link drivers take no rates. Source: drivers/net/ethernet/intel i40e_check_vf_init_timeout,
// ixgbe_ndo_set_vf_bw.
bool may_pass(const Error& error, const Change& change) {
  return error.errno_value == EAGAIN || error.errno_value == EBUSY ||
         (error.errno_value == EINVAL && change.what == "transmit rates");
}

bool is_wish(const VfSettings& settings, const Change& change) {
  return change.what == "MAC address" && settings.mac == Mac{};
}

// One virtual function as its physical function's driver knows it.
struct ToldFunction {
  nl_sock* socket;
  std::string interface;
  unsigned interface_index;
  unsigned index;

  std::string text() const { return "virtual function " + std::to_string(index) + " of " + interface; }
};

Result<VfSettings> missing(const ToldFunction& function, const VfSettings& wanted) {
  auto all = read(function.socket, function.interface, function.interface_index);
  if (!all) return std::unexpected(all.error());
  const auto current = all->find(function.index);
  if (current == all->end()) {
    return fail(ErrorCode::Kernel, "the driver of " + function.interface + " knows no settings of " + function.text(),
                ENOENT);
  }
  return difference(current->second, wanted);
}

// The first refusal. One that is refused does not keep the others from the VF.
Result<> set_all(const ToldFunction& function, const VfSettings& settings) {
  Result<> all;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const auto& change : changes_for(function.index, settings)) {
    auto done = set(function.socket, function.interface_index, change, function.text());
    while (!done && may_pass(done.error(), change) && std::chrono::steady_clock::now() < deadline) {
      (void)::poll(nullptr, 0, pause_ms);  // a worker may wait
      done = set(function.socket, function.interface_index, change, function.text());
    }
    if (!done && all && !is_wish(settings, change)) all = std::move(done);
  }
  return all;
}

}  // namespace

bool may_set_vf_settings() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  return (sets[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN)) != 0;
}

Result<std::map<unsigned, VfSettings>> read_vf_settings(const std::string& interface) {
  const auto index = ::if_nametoindex(interface.c_str());
  if (index == 0) return fail(ErrorCode::Kernel, "there is no network interface " + interface, ENXIO);
  auto socket = netlink::connect();
  if (!socket) return std::unexpected(socket.error());
  return read(socket->get(), interface, index);
}

Result<> set_vf_settings(const std::string& interface, unsigned index, const VfSettings& settings) {
  const auto interface_index = ::if_nametoindex(interface.c_str());
  if (interface_index == 0) return fail(ErrorCode::Kernel, "there is no network interface " + interface, ENXIO);
  auto socket = netlink::connect();
  if (!socket) return std::unexpected(socket.error());
  const ToldFunction function{socket->get(), interface, interface_index, index};
  const auto before = missing(function, settings);
  if (!before) return std::unexpected(before.error());
  if (*before == VfSettings{}) return {};
  if (auto done = set_all(function, *before); !done) return done;
  const auto left = missing(function, settings);
  if (!left) return std::unexpected(left.error());
  if (!are_as_wanted(VfSettings{}, *left)) {
    return fail(ErrorCode::Kernel, "the driver of " + interface + " took the settings of " + function.text() +
                                       " and does not show them: " + to_text(*left));
  }
  return {};
}

}  // namespace devbindd::sysfs
