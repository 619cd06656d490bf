// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/traffic_redirects.hpp"

#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_mirred.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "sysfs/kernel/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_asked = 64;  // interfaces with hooks of tc

void add_gap(const std::string& gap, NetworkState& state) {
  if (std::ranges::find(state.gaps, gap) == state.gaps.end()) state.gaps.push_back(gap);
}

void add_action(nlattr* action, NetworkState& state) {
  std::array<nlattr*, TCA_ACT_MAX + 1> attributes{};
  std::array<nlattr*, TCA_MIRRED_MAX + 1> options{};
  if (nla_parse_nested(attributes.data(), TCA_ACT_MAX, action, nullptr) < 0) return;
  if (attributes[TCA_ACT_OPTIONS] == nullptr) return;
  if (nla_parse_nested(options.data(), TCA_MIRRED_MAX, attributes[TCA_ACT_OPTIONS], nullptr) < 0) return;
  auto* parameters = options[TCA_MIRRED_PARMS];
  if (parameters == nullptr || nla_len(parameters) < static_cast<int>(sizeof(tc_mirred))) return;
  tc_mirred mirred{};
  std::memcpy(&mirred, nla_data(parameters), sizeof(mirred));
  if (mirred.bindcnt == 0) return;  // made by itself, and no filter has it
  if (mirred.ifindex == 0) return add_gap("into which interfaces tc sends packets by a shared block", state);
  NetworkSession session{static_cast<int>(mirred.ifindex), "tc sends packets of others into it"};
  if (std::ranges::find(state.sessions, session) == state.sessions.end()) state.sessions.push_back(std::move(session));
}

void add_actions(nlmsghdr* message, NetworkState& state) {
  std::array<nlattr*, TCA_ROOT_MAX + 1> attributes{};
  if (message->nlmsg_type != RTM_GETACTION && message->nlmsg_type != RTM_NEWACTION) return;
  if (nlmsg_parse(message, sizeof(tcamsg), attributes.data(), TCA_ROOT_MAX, nullptr) < 0) return;
  if (attributes[TCA_ACT_TAB] == nullptr) return;
  nlattr* action = nullptr;
  int rest = 0;
  nla_for_each_nested(action, attributes[TCA_ACT_TAB], rest) add_action(action, state);
}

// TCA_ACT_TAB holds the first action, which holds the kind that is asked for.
bool ask_for_mirred(nl_msg* request) {
  const tcamsg header{};
  if (nlmsg_append(request, const_cast<tcamsg*>(&header), sizeof(header), NLMSG_ALIGNTO) < 0) return false;
  auto* table = nla_nest_start(request, TCA_ACT_TAB);
  auto* first = table != nullptr ? nla_nest_start(request, 1) : nullptr;
  if (first == nullptr || nla_put_string(request, TCA_ACT_KIND, "mirred") < 0) return false;
  nla_nest_end(request, first);
  nla_nest_end(request, table);
  return true;
}

bool is_program(nlmsghdr* message) {
  std::array<nlattr*, TCA_MAX + 1> attributes{};
  if (message->nlmsg_type != RTM_NEWTFILTER) return false;
  if (nlmsg_parse(message, sizeof(tcmsg), attributes.data(), TCA_MAX, nullptr) < 0) return false;
  return attributes[TCA_KIND] != nullptr && std::string_view(nla_get_string(attributes[TCA_KIND])) == "bpf";
}

// The hooks of clsact and ingress are the only ones that see what comes in: net/sched/sch_ingress.c.
bool has_program(nl_sock* socket, int interface) {
  constexpr std::array<std::uint32_t, 3> hooks = {TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                                                  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), TC_H_MAKE(TC_H_INGRESS, 0)};
  return std::ranges::any_of(hooks, [&](std::uint32_t hook) {
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = interface;
    header.tcm_parent = hook;
    bool found = false;
    // An error is a hook that this interface does not have.
    (void)netlink::dump(socket, RTM_GETTFILTER, &header, sizeof(header),
                        [&found](nlmsghdr* message) { found = found || is_program(message); });
    return found;
  });
}

// A BPF program decides by itself where packets go (bpf_redirect). One is enough for it to be said.
void add_programs(nl_sock* socket, NetworkState& state) {
  std::size_t asked = 0;
  for (const auto& interface : state.namespaces.front().interfaces) {
    if (!interface.traffic_control || asked++ >= most_asked) continue;
    if (!has_program(socket, interface.index)) continue;
    return add_gap("where the BPF program of tc at " + interface.name + " sends packets", state);
  }
}

}  // namespace

void add_redirects(NetworkState& state) {
  auto socket = netlink::connect();
  const netlink::Message request(nlmsg_alloc_simple(RTM_GETACTION, NLM_F_REQUEST | NLM_F_DUMP));
  if (!socket || !request || !ask_for_mirred(request.get())) {
    state.gaps.emplace_back("tc: no netlink socket or message");
    return;
  }
  const auto done =
      netlink::dump(socket->get(), request.get(), [&](nlmsghdr* message) { add_actions(message, state); });
  if (!state.namespaces.empty()) add_programs(socket->get(), state);
  if (done || done.error().errno_value == EOPNOTSUPP || done.error().errno_value == ENOENT) return;
  state.gaps.push_back("tc: " + done.error().message);
}

}  // namespace devbindd::sysfs
