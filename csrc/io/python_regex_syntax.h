// The syntax of Python's `re`, read into a tree (python_regex.h says what is honoured).
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include "io/python_regex.h"

namespace contlm::io {

struct RegexNode {
  enum class Kind { characters, assertion, sequence, choice, repeat, look };
  Kind kind = Kind::sequence;
  PythonRegex::Characters characters{};        // characters: any one of these
  PythonRegex::Instruction::Kind assertion{};  // assertion: the instruction that tests it
  std::size_t least = 0, most = 0;             // repeat: how often its one part stands
  bool negated = false;                        // look: (?!...)
  std::vector<RegexNode> parts{};
};
inline constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();
inline constexpr std::size_t kMaxRegexInstructions = 5'000;

// RegexError says what is not supported, or not legal in Python either.
RegexNode parse_python_regex(std::string_view pattern);

PythonRegex::Characters word_characters();  // \w

}  // namespace contlm::io
