// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/network_gaps.hpp"

#include <linux/xfrm.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/netlink_route.hpp"

namespace devbindd::sysfs {
namespace {

// "6.12.57+deb13-amd64"
bool has_tcx(const Tree& tree) {
  const auto text = tree.read("proc/sys/kernel/osrelease").value_or("");
  const auto dot = text.find('.');
  const auto major = number_from<unsigned>(text.substr(0, dot));
  if (dot == std::string::npos || !major) return false;
  const auto rest = text.substr(dot + 1);
  const auto minor = number_from<unsigned>(rest.substr(0, rest.find_first_not_of("0123456789")));
  return *major > 6 || (*major == 6 && minor.value_or(0) >= 6);
}

Result<std::uint32_t> count_associations() {
  auto socket = netlink::connect(NETLINK_XFRM);
  if (!socket) return std::unexpected(socket.error());
  const netlink::Message request(nlmsg_alloc_simple(XFRM_MSG_GETSADINFO, NLM_F_REQUEST | NLM_F_ACK));
  std::uint32_t flags = 0;
  if (!request || nlmsg_append(request.get(), &flags, sizeof(flags), NLMSG_ALIGNTO) < 0)
    return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM);
  std::uint32_t count = 0;
  auto done = netlink::ask(socket->get(), request.get(), "count the associations of IPsec", [&](nlmsghdr* message) {
    std::array<nlattr*, XFRMA_SAD_MAX + 1> attributes{};
    if (nlmsg_parse(message, sizeof(flags), attributes.data(), XFRMA_SAD_MAX, nullptr) < 0) return;
    if (attributes[XFRMA_SAD_CNT] != nullptr) count = nla_get_u32(attributes[XFRMA_SAD_CNT]);
  });
  if (!done) return std::unexpected(done.error());
  return count;
}

}  // namespace

void add_network_gaps(const Tree& tree, NetworkState& state) {
  if (has_tcx(tree)) state.gaps.emplace_back("programs of tcx, which bpf(2) alone shows");
  // Who sets associations has the module loaded.
  if (!exists(tree, "sys/module/xfrm_user")) return;
  const auto count = count_associations();
  if (!count && count.error().errno_value != EPROTONOSUPPORT) state.gaps.push_back("IPsec: " + count.error().message);
  if (count && *count > 0)
    state.gaps.push_back("which of the " + std::to_string(*count) +
                         " associations of IPsec an interface has taken over");
}

}  // namespace devbindd::sysfs
