// SPDX-License-Identifier: Apache-2.0
// The tests are compiled without optimisation, and each object has its own copy of what it uses of the standard
// library. The linker keeps the first one for everybody, the code under test included: so the first object has
// optimised ones.
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

template class std::basic_string<char>;
template class std::vector<char>;
template class std::vector<std::string>;
template class std::vector<nlohmann::json>;
template class std::map<std::string, std::string>;
template class std::map<std::string, nlohmann::json, std::less<>>;
template class std::set<std::string>;
template class nlohmann::basic_json<>;
