// SPDX-License-Identifier: Apache-2.0
// What somebody who made a typing error probably meant. For people: nothing is decided by it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace devbindd::api {

/// The word of `known` that differs least from `word`, by the number of letters that are missing, too many, replaced or
/// swapped with their neighbour; else the only one that begins so; "" where each differs in more than a third of its
/// letters, or in more than three.
std::string nearest_word(std::string_view word, const std::vector<std::string_view>& known);

/// A sentence for the end of an error about `word`: ". Did you mean \"driver\"?", or where nothing is near and `known`
/// is short, ". Possible here: driver, scope"; "" else. `known` may hold a word twice.
std::string hint(std::string_view word, const std::vector<std::string_view>& known);
std::string hint(std::string_view word, const std::vector<std::string>& known);

}  // namespace devbindd::api
