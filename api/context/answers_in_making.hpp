// SPDX-License-Identifier: Apache-2.0
// Answers that are being made, each once for all who ask for the same meanwhile. Not here: answers that are made and
// kept (answer_cache.hpp), changes that are asked for twice (repeated.hpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/context/answer_cache.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

class AnswersInMaking {
 public:
  /// Whoever is to make an answer: on whose behalf, and whom he gives it to.
  struct Maker {
    Request request;  ///< whose client has left when all who wait have
    Respond respond;
  };

  /// Lets the request wait for the answer of this version to what is asked. Gives who is to make it, or nullopt where
  /// somebody makes it already. A problem is that of one request: then `ask_again` is called for the others that have
  /// waited. Callers who may change things do not wait for others, who come after them.
  std::optional<Maker> wait(const std::string& asked, const Version& version, const Request& request, Respond respond,
                            std::function<void()> ask_again);

 private:
  struct Making;
  std::map<std::pair<bool, std::string>, std::weak_ptr<Making>> makings_;
};

}  // namespace devbindd::api
