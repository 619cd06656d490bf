// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/packet_filters.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <string_view>

#include "sysfs/kernel/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

template <std::size_t Size>
using FilterFields = std::array<nlattr*, Size + 1>;

template <std::size_t Most>
bool parse_fields(nlmsghdr* message, FilterFields<Most>& attributes) {
  return nlmsg_parse(message, sizeof(nfgenmsg), attributes.data(), static_cast<int>(Most), nullptr) >= 0;
}

template <std::size_t Most>
bool parse_fields(nlattr* nested, FilterFields<Most>& attributes) {
  return nested != nullptr && nla_parse_nested(attributes.data(), static_cast<int>(Most), nested, nullptr) >= 0;
}

void mark_interface(const std::string& name, NetworkState& state) {
  auto& interfaces = state.namespaces.front().interfaces;
  const auto found = std::ranges::find(interfaces, name, &NetworkInterface::name);
  if (found != interfaces.end()) found->traffic_control = true;
}

// NFTA_HOOK_DEV is one name, NFTA_HOOK_DEVS a list of them.
void mark_interfaces(nlattr* one, nlattr* list, NetworkState& state) {
  if (one != nullptr) mark_interface(nla_get_string(one), state);
  if (list == nullptr) return;
  nlattr* at = nullptr;
  int rest = 0;
  nla_for_each_nested(at, list, rest) {
    if (nla_type(at) == NFTA_DEVICE_NAME) mark_interface(nla_get_string(at), state);
  }
}

void add_chain(nlmsghdr* message, NetworkState& state) {
  FilterFields<NFTA_CHAIN_MAX> chain{};
  FilterFields<NFTA_HOOK_MAX> hook{};
  if (parse_fields<NFTA_CHAIN_MAX>(message, chain) && parse_fields<NFTA_HOOK_MAX>(chain[NFTA_CHAIN_HOOK], hook))
    mark_interfaces(hook[NFTA_HOOK_DEV], hook[NFTA_HOOK_DEVS], state);
}

void add_flowtable(nlmsghdr* message, NetworkState& state) {
  FilterFields<NFTA_FLOWTABLE_MAX> table{};
  FilterFields<NFTA_FLOWTABLE_HOOK_MAX> hook{};
  if (parse_fields<NFTA_FLOWTABLE_MAX>(message, table) &&
      parse_fields<NFTA_FLOWTABLE_HOOK_MAX>(table[NFTA_FLOWTABLE_HOOK], hook))
    mark_interfaces(nullptr, hook[NFTA_FLOWTABLE_HOOK_DEVS], state);
}

// The numbers that a rule has put into registers so far.
using Registers = std::map<std::uint32_t, int>;

std::uint32_t number_in(nlattr* attribute) { return attribute != nullptr ? ntohl(nla_get_u32(attribute)) : 0; }

void add_immediate(nlattr* data, Registers& registers) {
  FilterFields<NFTA_IMMEDIATE_MAX> immediate{};
  FilterFields<NFTA_DATA_MAX> value{};
  if (!parse_fields<NFTA_IMMEDIATE_MAX>(data, immediate)) return;
  if (!parse_fields<NFTA_DATA_MAX>(immediate[NFTA_IMMEDIATE_DATA], value)) return;
  auto* bytes = value[NFTA_DATA_VALUE];
  int index = 0;  // an interface's in the order of the host's bytes
  if (bytes == nullptr || nla_len(bytes) < static_cast<int>(sizeof(index))) return;
  std::memcpy(&index, nla_data(bytes), sizeof(index));
  registers[number_in(immediate[NFTA_IMMEDIATE_DREG])] = index;
}

void add_target(std::uint32_t from, const Registers& registers, NetworkState& state) {
  const auto found = registers.find(from);
  if (found == registers.end()) {
    state.gaps.emplace_back("into which interface a rule of nftables sends packets by a map");
    return;
  }
  NetworkSession session{found->second, "nftables sends packets of others into it"};
  if (std::ranges::find(state.sessions, session) == state.sessions.end()) state.sessions.push_back(std::move(session));
}

void add_rule(nlmsghdr* message, NetworkState& state) {
  FilterFields<NFTA_RULE_MAX> rule{};
  if (!parse_fields<NFTA_RULE_MAX>(message, rule) || rule[NFTA_RULE_EXPRESSIONS] == nullptr) return;
  Registers registers;
  nlattr* at = nullptr;
  int rest = 0;
  nla_for_each_nested(at, rule[NFTA_RULE_EXPRESSIONS], rest) {
    FilterFields<NFTA_EXPR_MAX> expression{};
    if (!parse_fields<NFTA_EXPR_MAX>(at, expression) || expression[NFTA_EXPR_NAME] == nullptr) continue;
    const std::string_view name = nla_get_string(expression[NFTA_EXPR_NAME]);
    auto* data = expression[NFTA_EXPR_DATA];
    if (name == "immediate") add_immediate(data, registers);
    FilterFields<NFTA_FWD_MAX> forward{};
    if (name == "fwd" && parse_fields<NFTA_FWD_MAX>(data, forward))
      add_target(number_in(forward[NFTA_FWD_SREG_DEV]), registers, state);
    FilterFields<NFTA_DUP_MAX> copy{};
    if (name == "dup" && parse_fields<NFTA_DUP_MAX>(data, copy) && copy[NFTA_DUP_SREG_DEV] != nullptr)
      add_target(number_in(copy[NFTA_DUP_SREG_DEV]), registers, state);
  }
}

void ask_nftables(nl_sock* socket, int type, int family, NetworkState& state, void (*add)(nlmsghdr*, NetworkState&)) {
  nfgenmsg header{};
  header.nfgen_family = static_cast<unsigned char>(family);
  const auto done = netlink::dump(socket, NFNL_SUBSYS_NFTABLES << 8 | type, &header, sizeof(header),
                                  [&](nlmsghdr* message) { add(message, state); });
  if (!done && done.error().errno_value != ENOENT && done.error().errno_value != EOPNOTSUPP)
    state.gaps.push_back("nftables: " + done.error().message);
}

// A kernel without modules may have it built in.
bool may_have(const Tree& tree, const std::string& module) {
  return exists(tree, "sys/module/" + module) || !exists(tree, "proc/modules");
}

}  // namespace

void add_packet_filters(const Tree& tree, NetworkState& state) {
  if (state.namespaces.empty()) return;
  if (!may_have(tree, "nf_tables")) return;
  auto socket = netlink::connect(NETLINK_NETFILTER);
  if (!socket) {
    state.gaps.push_back("nftables: " + socket.error().message);
    return;
  }
  ask_nftables(socket->get(), NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, state, &add_chain);
  ask_nftables(socket->get(), NFT_MSG_GETFLOWTABLE, NFPROTO_UNSPEC, state, &add_flowtable);
  ask_nftables(socket->get(), NFT_MSG_GETRULE, NFPROTO_NETDEV, state, &add_rule);
  // "dup to ADDRESS device NAME". A host may have a hundred thousand rules: only where the expression is loaded.
  if (may_have(tree, "nft_dup_ipv4")) ask_nftables(socket->get(), NFT_MSG_GETRULE, NFPROTO_IPV4, state, &add_rule);
  if (may_have(tree, "nft_dup_ipv6")) ask_nftables(socket->get(), NFT_MSG_GETRULE, NFPROTO_IPV6, state, &add_rule);
}

}  // namespace devbindd::sysfs
