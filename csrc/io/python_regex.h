// Patterns in the syntax of Python's `re`, which is what PEFT's configs hold. They come from files that others wrote,
// so matching takes at most (instructions x characters) steps whatever the pattern, and no recursion that the text
// drives.
//
// What is honoured: literals, escapes, `.`, classes, groups (their captures are not kept), alternation, greedy and lazy
// repeats, ^ $ \A \Z \b \B, lookahead. What is not (lookbehind, backreferences, flags, conditionals, atomic and
// possessive forms, non-ASCII characters) is refused, as is what Python itself refuses.
#pragma once

#include <bitset>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace contlm::io {

// Why a pattern cannot be used; the caller adds the file and the field.
struct RegexError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class PythonRegex {
 public:
  explicit PythonRegex(std::string_view pattern);

  bool match(std::string_view text) const;      // as re.match: at the beginning
  bool fullmatch(std::string_view text) const;  // as re.fullmatch

  std::size_t size() const { return program_.size(); }  // in instructions: what holding and running it costs

  using Characters = std::bitset<256>;
  struct Instruction {
    enum class Kind {
      characters,
      split,
      jump,
      begin,
      end,
      end_or_newline,
      word_boundary,
      no_word_boundary,
      look,
      accept
    };
    Kind kind;
    std::size_t next = 0;   // where to go on
    std::size_t other = 0;  // split: the other branch; look: where its body begins
    bool negated = false;   // look: (?!...)
    Characters characters{};
  };

 private:
  std::vector<Instruction> program_;
};

}  // namespace contlm::io
