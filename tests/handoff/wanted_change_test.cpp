// SPDX-License-Identifier: Apache-2.0
// What a change does to a member of it.
#include "handoff/plan/wanted_change.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/facts.hpp"

namespace devbindd::wanted_change_test {

using namespace devbindd::handoff;
using namespace devbindd::tests;

namespace {

const std::string card = "0000:05:00.0";

}  // namespace

TEST_CASE("a driver is taken from a device that is to have another one or none", "[handoff][wanted_change]") {
  CHECK(loses_driver(bind_request(card), member(card, "e1000e")));
  CHECK(loses_driver(request_of(ChangeKind::Unbind, card), member(card, "e1000e")));
  CHECK(loses_driver(request_of(ChangeKind::Restore, card), given(member(card, "vfio-pci"), "e1000e")));
  CHECK_FALSE(loses_driver(bind_request(card), member(card, "vfio-pci")));
  CHECK_FALSE(loses_driver(bind_request(card), member(card)));
  CHECK_FALSE(loses_driver(request_of(ChangeKind::Restore, card), member(card, "vfio-pci")));
  CHECK_FALSE(loses_driver(id_request(ChangeKind::AddId, "vfio-pci", "8086 10d3"), member(card, "e1000e")));
}

TEST_CASE("a device without a driver may get one", "[handoff][wanted_change]") {
  CHECK(gets_another_driver(bind_request(card), member(card)));
  CHECK(gets_another_driver(bind_request(card), member(card, "e1000e")));
  CHECK_FALSE(gets_another_driver(bind_request(card), member(card, "vfio-pci")));
  CHECK_FALSE(gets_another_driver(request_of(ChangeKind::Unbind, card), member(card)));
  CHECK_FALSE(gets_another_driver(request_of(ChangeKind::Restore, card), member(card)));
}

TEST_CASE("which drivers are VFIO's", "[handoff][wanted_change]") {
  CHECK(wants_vfio(bind_request(card), member(card, "e1000e")));
  CHECK(wants_vfio(bind_request(card, "mlx5_vfio_pci"), member(card)));
  CHECK_FALSE(wants_vfio(bind_request(card, "e1000e"), member(card, "vfio-pci")));
  CHECK_FALSE(wants_vfio(request_of(ChangeKind::Unbind, card), member(card, "vfio-pci")));
}

TEST_CASE("only what is bound for a claim is handed over", "[handoff][wanted_change]") {
  auto bound = bind_request(card);
  CHECK_FALSE(is_handed_over(bound));
  bound.claim = "5f0c8e0e-4f0c-4f43-9d0c-0d3c8b6f6a55";
  CHECK(is_handed_over(bound));
  auto given_back = request_of(ChangeKind::Restore, card);
  given_back.claim = bound.claim;
  CHECK_FALSE(is_handed_over(given_back));
}

}  // namespace devbindd::wanted_change_test
