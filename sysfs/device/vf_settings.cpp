// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/vf_settings.hpp"

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
#include <cstdio>
#include <cstring>
#include <sstream>
#include <vector>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::array states = {"auto", "enable", "disable"};  // IFLA_VF_LINK_STATE_*
constexpr std::uint32_t unsupported = ~0U;

using Mac = std::array<std::uint8_t, 6>;
using Attributes = std::array<nlattr*, IFLA_VF_MAX + 1>;

std::string mac_text(const Mac& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", unsigned{mac[0]}, unsigned{mac[1]},
                unsigned{mac[2]}, unsigned{mac[3]}, unsigned{mac[4]}, unsigned{mac[5]});
  return text.data();
}

std::optional<Mac> mac_from(std::string_view text) {
  Mac mac{};
  if (text.size() != 17) return std::nullopt;
  for (std::size_t at = 0; at < mac.size(); ++at) {
    const auto digits = number_from<std::uint8_t>(text.substr(at * 3, 2), 16);
    if (!digits || (at < 5 && text[at * 3 + 2] != ':')) return std::nullopt;
    mac[at] = *digits;
  }
  return mac;
}

bool is_zero(const Mac& mac) { return mac == Mac{}; }

std::string protocol_text(std::uint16_t protocol) { return protocol == ETH_P_8021AD ? "802.1ad" : "802.1Q"; }

void add_switch(std::string& text, std::string_view name, std::optional<bool> on) {
  if (on) text += " " + std::string(name) + (*on ? " on" : " off");
}

// The words of the text, each with the one behind it.
class Words {
 public:
  explicit Words(std::string_view text) {
    std::istringstream stream{std::string(text)};
    std::string name;
    std::string value;
    while (stream >> name) {
      good_ = good_ && (stream >> value) && words_.emplace(name, value).second;
    }
  }
  std::optional<std::string> take(const std::string& name) {
    const auto word = words_.extract(name);
    return word.empty() ? std::nullopt : std::optional(word.mapped());
  }
  std::optional<unsigned> number(const std::string& name) {
    const auto word = take(name);
    const auto number = word ? number_from<unsigned>(*word) : std::nullopt;
    good_ = good_ && (!word || number);
    return number;
  }
  std::optional<bool> on_or_off(const std::string& name) {
    const auto word = take(name);
    good_ = good_ && (!word || *word == "on" || *word == "off");
    return word ? std::optional(*word == "on") : std::nullopt;
  }
  void refuse_unless(bool good) { good_ = good_ && good; }
  bool all_taken() const { return good_ && words_.empty(); }

 private:
  std::map<std::string, std::string> words_;
  bool good_ = true;
};

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
      state && state->link_state < states.size())
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
  return change.what == "MAC address" && settings.mac && is_zero(*settings.mac);
}

}  // namespace

std::string to_text(const VfSettings& settings) {
  std::string text;
  if (settings.mac) text += " mac " + mac_text(*settings.mac);
  if (settings.vlan) {
    text += " vlan " + std::to_string(settings.vlan->id) + " qos " + std::to_string(settings.vlan->priority) +
            " proto " + protocol_text(settings.vlan->protocol);
  }
  if (settings.rates) {
    text += " min_tx_rate " + std::to_string(settings.rates->least) + " max_tx_rate " +
            std::to_string(settings.rates->most);
  }
  add_switch(text, "spoofchk", settings.spoof_check);
  if (settings.state) text += std::string(" state ") + states.at(*settings.state);
  add_switch(text, "trust", settings.trust);
  add_switch(text, "query_rss", settings.query_rss);
  return text.empty() ? text : text.substr(1);
}

std::optional<VfSettings> vf_settings_from(std::string_view text) {
  Words words(text);
  VfSettings settings;
  if (const auto mac = words.take("mac")) {
    settings.mac = mac_from(*mac);
    words.refuse_unless(settings.mac.has_value());
  }
  const auto vlan = words.number("vlan");
  const auto priority = words.number("qos");
  const auto protocol = words.take("proto");
  words.refuse_unless(vlan.has_value() == priority.has_value() && vlan.has_value() == protocol.has_value() &&
                      (!protocol || *protocol == "802.1Q" || *protocol == "802.1ad"));
  if (vlan && priority && protocol) {
    settings.vlan =
        VfVlan{*vlan, *priority, static_cast<std::uint16_t>(*protocol == "802.1Q" ? ETH_P_8021Q : ETH_P_8021AD)};
  }
  const auto least = words.number("min_tx_rate");
  const auto most = words.number("max_tx_rate");
  words.refuse_unless(least.has_value() == most.has_value());
  if (least && most) settings.rates = VfRates{*least, *most};
  settings.spoof_check = words.on_or_off("spoofchk");
  if (const auto state = words.take("state")) {
    const auto* const found = std::ranges::find(states, *state);
    words.refuse_unless(found != states.end());
    settings.state = static_cast<unsigned>(found - states.begin());
  }
  settings.trust = words.on_or_off("trust");
  settings.query_rss = words.on_or_off("query_rss");
  return words.all_taken() ? std::optional(settings) : std::nullopt;
}

bool says_something(const VfSettings& settings) {
  return (settings.mac && !is_zero(*settings.mac)) || (settings.vlan && *settings.vlan != VfVlan{}) ||
         (settings.rates && *settings.rates != VfRates{}) || settings.state.value_or(0) != 0 ||
         settings.trust.value_or(false) || !settings.spoof_check.value_or(true);
}

VfSettings difference(const VfSettings& current, const VfSettings& wanted) {
  VfSettings settings = wanted;
  if (current.mac == wanted.mac) settings.mac.reset();
  if (current.vlan == wanted.vlan) settings.vlan.reset();
  if (current.rates == wanted.rates) settings.rates.reset();
  if (current.spoof_check == wanted.spoof_check) settings.spoof_check.reset();
  if (current.state == wanted.state) settings.state.reset();
  if (current.trust == wanted.trust) settings.trust.reset();
  if (current.query_rss == wanted.query_rss) settings.query_rss.reset();
  return settings;
}

bool may_set_vf_settings() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  return (sets[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN)) != 0;
}

bool are_as_wanted(const VfSettings& current, const VfSettings& wanted) {
  auto left = difference(current, wanted);
  if (left.mac && is_zero(*left.mac)) left.mac.reset();
  return left == VfSettings{};
}

Result<std::map<unsigned, VfSettings>> read_vf_settings(const std::string& interface) {
  const auto index = ::if_nametoindex(interface.c_str());
  if (index == 0) return fail(ErrorCode::Kernel, "there is no network interface " + interface, ENXIO);
  auto socket = netlink::connect();
  if (!socket) return std::unexpected(socket.error());
  return read(socket->get(), interface, index);
}

Result<> set_vf_settings(const std::string& interface, unsigned function, const VfSettings& wanted) {
  const auto index = ::if_nametoindex(interface.c_str());
  if (index == 0) return fail(ErrorCode::Kernel, "there is no network interface " + interface, ENXIO);
  auto socket = netlink::connect();
  if (!socket) return std::unexpected(socket.error());
  const auto whose = "virtual function " + std::to_string(function) + " of " + interface;
  const auto missing = [&]() -> Result<VfSettings> {
    auto all = read(socket->get(), interface, index);
    if (!all) return std::unexpected(all.error());
    const auto current = all->find(function);
    if (current == all->end())
      return fail(ErrorCode::Kernel, "the driver of " + interface + " knows no settings of " + whose, ENOENT);
    return difference(current->second, wanted);
  };
  const auto before = missing();
  if (!before) return std::unexpected(before.error());
  if (*before == VfSettings{}) return {};
  Result<> all;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const auto& change : changes_for(function, *before)) {
    auto done = set(socket->get(), index, change, whose);
    while (!done && may_pass(done.error(), change) && std::chrono::steady_clock::now() < deadline) {
      (void)::poll(nullptr, 0, pause_ms);  // a worker may wait
      done = set(socket->get(), index, change, whose);
    }
    // One that is refused does not keep the others from the VF.
    if (!done && all && !is_wish(*before, change)) all = std::move(done);
  }
  if (!all) return all;
  const auto left = missing();
  if (!left) return std::unexpected(left.error());
  if (!are_as_wanted(VfSettings{}, *left)) {
    return fail(ErrorCode::Kernel, "the driver of " + interface + " took the settings of " + whose +
                                       " and does not show them: " + to_text(*left));
  }
  return {};
}

}  // namespace devbindd::sysfs
