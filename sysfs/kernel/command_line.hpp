// SPDX-License-Identifier: Apache-2.0
// The words of the kernel command line, as the kernel reads them. Not here: what they mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace devbindd::sysfs {

/// One word of the kernel command line: "intel_iommu=on,sm_on", or a word without value.
struct BootParameter {
  std::string name;                  ///< '-' is '_', which the kernel does not tell apart
  std::optional<std::string> value;  ///< without the quotes around it

  bool operator==(const BootParameter&) const = default;
};

/// The words before "--", in their order, by the kernel's rules for double quotes (lib/cmdline.c, next_arg). What
/// follows "--" is for init.
std::vector<BootParameter> parse_command_line(std::string_view text);

/// "intel_iommu=on"; a value with blanks in quotes.
std::string to_string(const BootParameter& parameter);

/// Whether one of the values between the commas of the parameter is `option`: ("off", intel_iommu=sm_on,off).
bool has_option(const BootParameter& parameter, std::string_view option);

}  // namespace devbindd::sysfs
