// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/listing.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "handoff/journal/json.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

/// One page while it is made.
class PageInMaking {
 public:
  PageInMaking(const Request& request, Listing listing, Paging paging, Respond respond)
      : request_(request),
        listing_(std::move(listing)),
        paging_(std::move(paging)),
        respond_(std::move(respond)),
        text_(wants_text(request)) {}

  /// One item; true while there is more to do.
  bool step() {
    if (!begun_ && !begin()) return false;
    if (at_ == listing_.keys.size()) return finish();
    const auto& key = listing_.keys[at_++];
    if (listing_.belongs && !listing_.belongs(key)) return true;
    ++total_;
    if (at_ <= first_) return true;  // of a page before
    if (count_ < paging_.size) return add(key);
    more_ = true;
    return paging_.count || finish();
  }

 private:
  bool begin() {
    begun_ = true;
    if (paging_.after.empty()) return true;
    const auto found = std::ranges::find(listing_.keys, paging_.after);
    if (found == listing_.keys.end() || (listing_.belongs && !listing_.belongs(*found))) {
      respond_(
          bad_request(request_, "invalid_value", "?page_token",
                      "the item that the page token names is not in the list (any more): begin again without a token"));
      return false;
    }
    first_ = static_cast<std::size_t>(found - listing_.keys.begin()) + 1;
    if (!paging_.count) at_ = first_;
    return true;
  }

  bool add(const std::string& key) {
    return listing_.text && !text_ && paging_.fields.empty() ? add_text(key) : render(key);
  }

  bool add_text(const std::string& key) {
    auto item = listing_.text(key);
    if (!item) return refuse(problem_of(request_, item.error()));
    if (!*item) return true;
    ++count_;
    last_ = key;
    body_ += (body_.empty() ? "" : ",") + **item;
    return true;
  }

  bool render(const std::string& key) {
    auto item = listing_.render(key);
    if (!item) return refuse(problem_of(request_, item.error()));
    if (!*item) return true;
    ++count_;
    last_ = key;
    if (text_) {
      items_.push_back(std::move(**item));
      return true;
    }
    if (auto refusal = keep_fields(request_, paging_.fields, **item)) return refuse(std::move(*refusal));
    body_ += (body_.empty() ? "" : ",") + handoff::dump(**item);
    return true;
  }

  bool refuse(Response response) {
    respond_(std::move(response));
    return false;
  }

  bool finish() {
    const auto next_page_token = more_ ? json(last_) : json(nullptr);
    if (text_) {
      respond_(list_response(request_, {{"items", std::move(items_)}, {"next_page_token", next_page_token}},
                             listing_.columns));
      return false;
    }
    const auto total = paging_.count ? ",\"total\":" + std::to_string(total_) : std::string{};
    respond_(
        {.status = 200,
         .content_type = "application/json",
         .body = "{\"items\":[" + body_ + "],\"next_page_token\":" + handoff::dump(next_page_token) + total + "}\n",
         .headers = {}});
    return false;
  }

  Request request_;
  Listing listing_;
  Paging paging_;
  Respond respond_;
  bool text_;
  bool begun_ = false;
  std::size_t at_ = 0;
  std::size_t first_ = 0;  ///< behind the pages before
  std::size_t count_ = 0;  ///< of this page
  std::size_t total_ = 0;  ///< of the list, as far as it was looked through
  bool more_ = false;
  std::string last_;
  json items_ = json::array();
  std::string body_;
};

}  // namespace

void answer_list(Context& context, const Request& request, Listing listing, Paging paging, Respond respond) {
  const auto page = std::make_shared<PageInMaking>(request, std::move(listing), std::move(paging), std::move(respond));
  in_turns(context, request, [page] { return page->step(); });
}

}  // namespace devbindd::api
