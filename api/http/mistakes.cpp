// SPDX-License-Identifier: Apache-2.0
#include "api/http/mistakes.hpp"

#include <utility>

namespace devbindd::api {

void Mistakes::add(std::string code, std::string pointer, std::string detail) {
  add({std::move(code), std::move(pointer), std::move(detail)});
}

void Mistakes::add(Mistake mistake) {
  if (list_.size() < most) list_.push_back(std::move(mistake));
}

}  // namespace devbindd::api
