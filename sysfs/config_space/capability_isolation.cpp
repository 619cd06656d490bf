// SPDX-License-Identifier: Apache-2.0
// Access control, routing IDs, address translation, page requests, process address spaces.
#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

constexpr BitField access_capabilities[] = {
    {"source_validation", 0},
    {"translation_blocking", 1},
    {"request_redirect", 2},
    {"completion_redirect", 3},
    {"upstream_forwarding", 4},
    {"egress_control", 5},
    {"direct_translated", 6},
    {"enhanced", 7},
    {"egress_control_vector_bits", 8, 8},
};

constexpr BitField access_control[] = {
    {"source_validation", 0},   {"translation_blocking", 1}, {"request_redirect", 2},  {"completion_redirect", 3},
    {"upstream_forwarding", 4}, {"egress_control", 5},       {"direct_translated", 6},
};

constexpr BitField routing_capabilities[] = {
    {"mfvc_function_groups", 0}, {"acs_function_groups", 1}, {"next_function", 8, 8}};
constexpr BitField routing_control[] = {
    {"mfvc_function_groups", 0}, {"acs_function_groups", 1}, {"function_group", 4, 3}};

Value queue_depth(std::uint32_t bits) { return std::uint64_t{bits == 0 ? 32 : bits}; }
// The translation unit is 4096 << stu bytes.
constexpr BitField translation_capabilities[] = {
    {"invalidate_queue_depth", 0, 5, queue_depth}, {"page_aligned_request", 5}, {"global_invalidate", 6}};
constexpr BitField translation_control[] = {{"smallest_translation_unit", 0, 5}, {"enable", 15}};

constexpr BitField request_control[] = {{"enable", 0}, {"reset", 1}};
constexpr BitField request_status[] = {
    {"response_failure", 0}, {"unexpected_group_index", 1}, {"stopped", 8}, {"response_pasid_required", 15}};

constexpr BitField process_capabilities[] = {{"execute_permission", 1}, {"privileged_mode", 2}, {"max_width", 8, 5}};
constexpr BitField process_control[] = {{"enable", 0}, {"execute_permission", 1}, {"privileged_mode", 2}};

}  // namespace

void decode_access_control(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 2, access_capabilities);
  registers.parts("control", 6, 2, access_control);
}

void decode_routing_id(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 2, routing_capabilities);
  registers.parts("control", 6, 2, routing_control);
}

void decode_address_translation(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 2, translation_capabilities);
  registers.parts("control", 6, 2, translation_control);
}

void decode_page_request(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("control", 4, 2, request_control);
  registers.parts("status", 6, 2, request_status);
  registers.number("capacity", 8, 4);
  registers.number("allocation", 12, 4);
}

void decode_process_address_space(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 2, process_capabilities);
  registers.parts("control", 6, 2, process_control);
}

}  // namespace devbindd::sysfs
