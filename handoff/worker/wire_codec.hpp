// SPDX-License-Identifier: Apache-2.0
// Values as bytes and back: the one encoder and decoder of everything that travels between the daemon, its keeper and
// the workers. What a value has as bytes, and it alone, is decoded: a number, a flag, a kind beyond its bounds and a
// byte too many are malformed. Not here: the members of the values (wire_members.hpp), the frames of each channel
// (worker_wire.hpp, keeper_wire.hpp).
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "handoff/worker/wire_members.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::handoff::wire {

inline constexpr std::size_t length_bytes = 4;

template <class T>
concept Enumeration = std::is_enum_v<T>;
template <class T>
concept Structure = requires(T& value) {
  members(value);
};

class Writer {
 public:
  void put(bool flag) { bytes_.push_back(flag ? '\1' : '\0'); }
  template <std::integral T>
  void put(T number) {
    const auto bits = static_cast<std::make_unsigned_t<T>>(number);
    for (std::size_t at = 0; at < sizeof(T); ++at) bytes_.push_back(static_cast<char>((bits >> (8 * at)) & 0xffU));
  }
  template <Enumeration T>
  void put(T value) {
    static_assert(static_cast<std::size_t>(last_of<T>) <= 0xff);
    put(static_cast<std::uint8_t>(value));
  }
  void put(const std::string& text) {
    put_size(text.size());
    bytes_ += text;
  }
  void put(const std::vector<std::byte>& bytes) {
    put_size(bytes.size());
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void put(const sysfs::PciAddress& address) {
    const auto& [domain, bus, slot, function] = address;
    put_all(std::tie(domain, bus, slot, function));
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T, std::size_t size>
  void put(const std::array<T, size>& values) {
    for (const auto& value : values) put(value);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    put_size(values.size());
    for (const auto& value : values) put(value);
  }
  template <class Key, class T>
  void put(const std::map<Key, T>& values) {
    put_size(values.size());
    for (const auto& [key, value] : values) {
      put(key);
      put(value);
    }
  }
  /// Which alternative, and its value.
  template <class... Types>
  void put(const std::variant<Types...>& value) {
    static_assert(sizeof...(Types) <= 0xff);
    put(static_cast<std::uint8_t>(value.index()));
    std::visit([&](const auto& alternative) { put(alternative); }, value);
  }
  template <Structure T>
  void put(const T& value) {
    put_all(members(value));
  }

  std::string frame() const {
    Writer length;
    length.put_size(bytes_.size());
    return length.bytes_ + bytes_;
  }

 private:
  void put_size(std::size_t size) { put(static_cast<std::uint32_t>(size)); }
  template <class... Types>
  void put_all(const std::tuple<Types...>& values) {
    std::apply([&](const auto&... value) { (put(value), ...); }, values);
  }

  std::string bytes_;
};

// Takes values off the front; each says whether it was there.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool take(bool& flag) {
    std::uint8_t byte = 0;
    if (!take(byte) || byte > 1) return false;
    flag = byte == 1;
    return true;
  }
  template <std::integral T>
  bool take(T& number) {
    if (bytes_.size() < sizeof(T)) return false;
    std::make_unsigned_t<T> bits = 0;
    for (std::size_t at = 0; at < sizeof(T); ++at) {
      const std::make_unsigned_t<T> byte = static_cast<unsigned char>(bytes_[at]);
      bits = static_cast<std::make_unsigned_t<T>>(bits | static_cast<std::make_unsigned_t<T>>(byte << (8 * at)));
    }
    bytes_.remove_prefix(sizeof(T));
    number = static_cast<T>(bits);
    return true;
  }
  template <Enumeration T>
  bool take(T& value) {
    std::uint8_t byte = 0;
    if (!take(byte) || byte > static_cast<std::uint8_t>(last_of<T>)) return false;
    value = static_cast<T>(byte);
    return true;
  }
  bool take(std::string& text) {
    std::uint32_t size = 0;
    if (!take_size(size)) return false;
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool take(std::vector<std::byte>& bytes) {
    std::uint32_t size = 0;
    if (!take_size(size)) return false;
    const auto* first = reinterpret_cast<const std::byte*>(bytes_.data());
    bytes.assign(first, first + size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool take(sysfs::PciAddress& address) {
    auto& [domain, bus, slot, function] = address;
    return take_all(std::tie(domain, bus, slot, function)) && slot <= 31 && function <= 7;
  }
  template <class T>
  bool take(std::optional<T>& value) {
    bool there = false;
    if (!take(there)) return false;
    value = there ? std::optional<T>(std::in_place) : std::nullopt;
    return !there || take(*value);
  }
  template <class T, std::size_t size>
  bool take(std::array<T, size>& values) {
    for (auto& value : values) {
      if (!take(value)) return false;
    }
    return true;
  }
  template <class T>
  bool take(std::vector<T>& values) {
    std::uint32_t size = 0;
    if (!take_size(size)) return false;
    for (std::uint32_t at = 0; at < size; ++at) {
      if (!take(values.emplace_back())) return false;
    }
    return true;
  }
  template <class Key, class T>
  bool take(std::map<Key, T>& values) {
    std::uint32_t size = 0;
    if (!take_size(size)) return false;
    for (std::uint32_t at = 0; at < size; ++at) {
      Key key{};
      if (!take(key) || (!values.empty() && !(values.rbegin()->first < key))) return false;
      if (!take(values.emplace_hint(values.end(), std::move(key), T{})->second)) return false;
    }
    return true;
  }
  template <class... Types>
  bool take(std::variant<Types...>& value) {
    std::uint8_t index = 0;
    return take(index) && take_alternative(value, index, std::index_sequence_for<Types...>());
  }
  template <Structure T>
  bool take(T& value) {
    return take_all(members(value));
  }

  bool at_end() const { return bytes_.empty(); }

 private:
  // Every item has a byte at least: a wrong number of them costs nothing.
  bool take_size(std::uint32_t& size) { return take(size) && size <= bytes_.size(); }
  template <class... Types>
  bool take_all(const std::tuple<Types...>& values) {
    return std::apply([&](auto&... value) { return (take(value) && ...); }, values);
  }
  template <class Variant, std::size_t... indices>
  bool take_alternative(Variant& value, std::size_t index, std::index_sequence<indices...>) {
    return ((index == indices && take(value.template emplace<indices>())) || ...);
  }

  std::string_view bytes_;
};

/// The size of the whole frame that begins `bytes`, or nullopt while even the length is incomplete.
inline std::optional<std::size_t> frame_size_of(std::string_view bytes) {
  std::uint32_t size = 0;
  if (!Reader(bytes).take(size)) return std::nullopt;
  return length_bytes + size;
}

/// The value that is the whole payload of the frame. nullopt: it is none.
template <class T>
std::optional<T> payload_of(std::string_view frame, T value) {
  if (frame_size_of(frame) != frame.size()) return std::nullopt;
  Reader reader(frame.substr(length_bytes));
  if (!reader.take(value) || !reader.at_end()) return std::nullopt;
  return value;
}

}  // namespace devbindd::handoff::wire
