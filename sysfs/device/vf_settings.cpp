// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/vf_settings.hpp"

#include <linux/if_ether.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::array<std::string_view, vf_link_states> states = {"auto", "enable", "disable"};  // IFLA_VF_LINK_STATE_*

using Mac = std::array<std::uint8_t, 6>;

std::string mac_text(const Mac& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", unsigned{mac[0]}, unsigned{mac[1]},
                unsigned{mac[2]}, unsigned{mac[3]}, unsigned{mac[4]}, unsigned{mac[5]});
  return text.data();
}

std::optional<Mac> mac_from(std::string_view text) {
  Mac mac{};
  if (text.size() != 17) return std::nullopt;
  for (std::size_t at = 0; at < mac.size(); ++at) {
    const auto digits = number_from<std::uint8_t>(text.substr(at * 3, 2), 16);
    if (!digits || (at < 5 && text[at * 3 + 2] != ':')) return std::nullopt;
    mac[at] = *digits;
  }
  return mac;
}

bool is_zero(const Mac& mac) { return mac == Mac{}; }

std::string protocol_text(std::uint16_t protocol) { return protocol == ETH_P_8021AD ? "802.1ad" : "802.1Q"; }

void add_switch(std::string& text, std::string_view name, std::optional<bool> on) {
  if (on) text += " " + std::string(name) + (*on ? " on" : " off");
}

// The words of the text, each with the one behind it.
class Words {
 public:
  explicit Words(std::string_view text) {
    std::istringstream stream{std::string(text)};
    std::string name;
    std::string value;
    while (stream >> name) {
      good_ = good_ && (stream >> value) && words_.emplace(name, value).second;
    }
  }
  std::optional<std::string> take(const std::string& name) {
    const auto word = words_.extract(name);
    return word.empty() ? std::nullopt : std::optional(word.mapped());
  }
  std::optional<unsigned> number(const std::string& name) {
    const auto word = take(name);
    const auto number = word ? number_from<unsigned>(*word) : std::nullopt;
    good_ = good_ && (!word || number);
    return number;
  }
  std::optional<bool> on_or_off(const std::string& name) {
    const auto word = take(name);
    good_ = good_ && (!word || *word == "on" || *word == "off");
    return word ? std::optional(*word == "on") : std::nullopt;
  }
  void refuse_unless(bool good) { good_ = good_ && good; }
  bool all_taken() const { return good_ && words_.empty(); }

 private:
  std::map<std::string, std::string> words_;
  bool good_ = true;
};

}  // namespace

std::string to_text(const VfSettings& settings) {
  std::string text;
  if (settings.mac) text += " mac " + mac_text(*settings.mac);
  if (settings.vlan) {
    text += " vlan " + std::to_string(settings.vlan->id) + " qos " + std::to_string(settings.vlan->priority) +
            " proto " + protocol_text(settings.vlan->protocol);
  }
  if (settings.rates) {
    text += " min_tx_rate " + std::to_string(settings.rates->least) + " max_tx_rate " +
            std::to_string(settings.rates->most);
  }
  add_switch(text, "spoofchk", settings.spoof_check);
  if (settings.state) text += " state " + std::string(states.at(*settings.state));
  add_switch(text, "trust", settings.trust);
  add_switch(text, "query_rss", settings.query_rss);
  return text.empty() ? text : text.substr(1);
}

std::optional<VfSettings> vf_settings_from(std::string_view text) {
  Words words(text);
  VfSettings settings;
  if (const auto mac = words.take("mac")) {
    settings.mac = mac_from(*mac);
    words.refuse_unless(settings.mac.has_value());
  }
  const auto vlan = words.number("vlan");
  const auto priority = words.number("qos");
  const auto protocol = words.take("proto");
  words.refuse_unless(vlan.has_value() == priority.has_value() && vlan.has_value() == protocol.has_value() &&
                      (!protocol || *protocol == "802.1Q" || *protocol == "802.1ad"));
  if (vlan && priority && protocol) {
    settings.vlan =
        VfVlan{*vlan, *priority, static_cast<std::uint16_t>(*protocol == "802.1Q" ? ETH_P_8021Q : ETH_P_8021AD)};
  }
  const auto least = words.number("min_tx_rate");
  const auto most = words.number("max_tx_rate");
  words.refuse_unless(least.has_value() == most.has_value());
  if (least && most) settings.rates = VfRates{*least, *most};
  settings.spoof_check = words.on_or_off("spoofchk");
  if (const auto state = words.take("state")) {
    const auto* const found = std::ranges::find(states, *state);
    words.refuse_unless(found != states.end());
    settings.state = static_cast<unsigned>(found - states.begin());
  }
  settings.trust = words.on_or_off("trust");
  settings.query_rss = words.on_or_off("query_rss");
  return words.all_taken() ? std::optional(settings) : std::nullopt;
}

bool says_something(const VfSettings& settings) {
  return (settings.mac && !is_zero(*settings.mac)) || (settings.vlan && *settings.vlan != VfVlan{}) ||
         (settings.rates && *settings.rates != VfRates{}) || settings.state.value_or(0) != 0 ||
         settings.trust.value_or(false) || !settings.spoof_check.value_or(true);
}

VfSettings difference(const VfSettings& current, const VfSettings& wanted) {
  VfSettings settings = wanted;
  if (current.mac == wanted.mac) settings.mac.reset();
  if (current.vlan == wanted.vlan) settings.vlan.reset();
  if (current.rates == wanted.rates) settings.rates.reset();
  if (current.spoof_check == wanted.spoof_check) settings.spoof_check.reset();
  if (current.state == wanted.state) settings.state.reset();
  if (current.trust == wanted.trust) settings.trust.reset();
  if (current.query_rss == wanted.query_rss) settings.query_rss.reset();
  return settings;
}

bool are_as_wanted(const VfSettings& current, const VfSettings& wanted) {
  auto left = difference(current, wanted);
  if (left.mac && is_zero(*left.mac)) left.mac.reset();
  return left == VfSettings{};
}

}  // namespace devbindd::sysfs
