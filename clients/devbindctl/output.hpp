// SPDX-License-Identifier: Apache-2.0
// Where devbindctl says what it has to say: documents and tables to standard output, everything else to standard error.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "clients/devbindctl/options.hpp"
#include "clients/http/message.hpp"
#include "clients/text/table.hpp"

namespace devbindd::clients {

class Output {
 public:
  explicit Output(Format format);

  Format format() const { return format_; }
  /// Whether a person reads what comes (a table, or a wide one), and not a program.
  bool for_person() const { return format_ == Format::Table || format_ == Format::Wide; }
  const Terminal& terminal() const { return out_; }
  const Terminal& error_terminal() const { return error_; }

  /// Text to standard output, as it is.
  void write(std::string_view text) const;
  /// Text to standard error, as it is.
  void tell(std::string_view text) const;

  /// Documents as they came, for json, or as YAML. Gives whether the format was one of these.
  bool documents(const std::vector<Answer>& answers) const;

  /// How a list looks: its columns, further ones for `wide`, and the member that `name` prints.
  struct Layout {
    std::vector<Column> columns;
    std::vector<Column> wide;  ///< instead of the last column of `columns`, which comes behind them
    std::string name;
  };
  /// Items as a table or as names.
  void items(const nlohmann::json& items, const Layout& layout) const;

  /// Asks a question on the terminal. False where nobody can be asked.
  bool asks(const std::string& question) const;
  /// Whether somebody can be asked: standard input and standard error are terminals.
  bool can_ask() const;

 private:
  Format format_;
  Terminal out_;
  Terminal error_;
};

}  // namespace devbindd::clients
