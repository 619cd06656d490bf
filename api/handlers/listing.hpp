// SPDX-License-Identifier: Apache-2.0
// A list as it is answered: the page is cut before anything of it is rendered, and rendered in turns. Not here: what an
// item looks like (the handlers).
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/context/context.hpp"
#include "api/http/parameters.hpp"
#include "api/http/text_table.hpp"

namespace devbindd::api {

struct Listing {
  /// Every item that may be in the list, in its order; they are what page tokens name.
  std::vector<std::string> keys;
  /// Whether an item is in the list; empty: each is.
  std::function<bool(const std::string& key)> belongs = {};
  /// The item, or nullopt when it is gone since it was listed.
  std::function<sysfs::Result<std::optional<nlohmann::json>>(const std::string& key)> render;
  /// The whole item as text, where that is kept; empty: it is made by `render`.
  std::function<sysfs::Result<std::optional<std::string>>(const std::string& key)> text = {};
  /// Of the table for a person.
  const std::vector<Column>& columns;
};

/// Answers with one page, as JSON or as a table. No more than the items of that page are rendered, and besides them
/// only the next one is looked for, unless all are to be counted. Errors: invalid_value when the token's item is not in
/// the list any more, since an empty page would look like the end of the list, and when an item has not one of the
/// fields that are asked for; the first error of `render`. A table has all its columns, whatever the fields are.
void answer_list(Context& context, const Request& request, Listing listing, Paging paging, Respond respond);

}  // namespace devbindd::api
