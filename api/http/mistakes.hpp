// SPDX-License-Identifier: Apache-2.0
// What is wrong with one request: every place at once, so that nobody has to send it again for each of them.
#pragma once

#include <string>
#include <vector>

namespace devbindd::api {

/// One place of a request and what is wrong there.
struct Mistake {
  std::string code;  ///< "invalid_json", "duplicate_field", "unknown_field", "missing_field", "invalid_value", ...
  std::string
      pointer;  ///< "/driver" into the body ("" for all of it), "?name", "{bdf}" of the path, "Name:" of a header
  std::string detail;  ///< a sentence

  bool operator==(const Mistake&) const = default;
};

/// In the order in which they were found; the readers of queries and bodies add to them and go on.
class Mistakes {
 public:
  static constexpr std::size_t most = 64;  ///< that are kept

  void add(std::string code, std::string pointer, std::string detail);
  void add(Mistake mistake);
  bool none() const { return list_.empty(); }
  const std::vector<Mistake>& list() const { return list_; }

 private:
  std::vector<Mistake> list_;
};

}  // namespace devbindd::api
