#include "api/listing.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "handoff/json.hpp"

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
    if (at_ == listing_.keys.size()) return finish(json(nullptr));
    const auto& key = listing_.keys[at_++];
    if (listing_.belongs && !listing_.belongs(key)) return true;
    if (count_ == paging_.size) return finish(last_);
    auto item = listing_.render(key);
    if (!item) {
      respond_(problem_of(request_, item.error()));
      return false;
    }
    if (*item) add(key, std::move(**item));
    return true;
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
    at_ = static_cast<std::size_t>(found - listing_.keys.begin()) + 1;
    return true;
  }

  void add(const std::string& key, json item) {
    ++count_;
    last_ = key;
    if (text_) {
      items_.push_back(std::move(item));
    } else {
      body_ += (body_.empty() ? "" : ",") + handoff::dump(item);
    }
  }

  bool finish(const json& next_page_token) {
    if (text_) {
      respond_(list_response(request_, {{"items", std::move(items_)}, {"next_page_token", next_page_token}},
                             listing_.columns));
    } else {
      respond_({.status = 200,
                .content_type = "application/json",
                .body = "{\"items\":[" + body_ + "],\"next_page_token\":" + handoff::dump(next_page_token) + "}\n",
                .headers = {}});
    }
    return false;
  }

  Request request_;
  Listing listing_;
  Paging paging_;
  Respond respond_;
  bool text_;
  bool begun_ = false;
  std::size_t at_ = 0;
  std::size_t count_ = 0;
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
