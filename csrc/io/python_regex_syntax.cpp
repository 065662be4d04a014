#include "io/python_regex_syntax.h"

#include <optional>
#include <tuple>
#include <utility>

namespace contlm::io {
namespace {

using Characters = PythonRegex::Characters;
using Kind = PythonRegex::Instruction::Kind;

constexpr int kMaxNesting = 50;

Characters range(int first, int last) {
  Characters characters;
  for (int c = first; c <= last; ++c) characters.set(static_cast<std::size_t>(c));
  return characters;
}
Characters digits() { return range('0', '9'); }
// Python counts the four separators 0x1c..0x1f as white space in text.
Characters white_space() { return range('\t', '\r') | range(0x1c, 0x1f) | range(' ', ' '); }

RegexNode of_characters(const Characters& characters) {
  RegexNode node;
  node.kind = RegexNode::Kind::characters;
  node.characters = characters;
  return node;
}
RegexNode of_assertion(Kind kind) {
  RegexNode node;
  node.kind = RegexNode::Kind::assertion;
  node.assertion = kind;
  return node;
}
RegexNode of_parts(RegexNode::Kind kind, std::vector<RegexNode> parts) {
  RegexNode node;
  node.kind = kind;
  node.parts = std::move(parts);
  return node;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {
    for (const char c : pattern) {
      if (static_cast<unsigned char>(c) >= 0x80) throw RegexError("characters outside ASCII are not supported");
    }
  }

  RegexNode parse() {
    RegexNode node = parse_choice(0);
    if (!done()) throw RegexError("unbalanced parenthesis");
    return node;
  }

 private:
  bool done() const { return at_ == pattern_.size(); }
  char peek() const { return done() ? '\0' : pattern_[at_]; }
  bool take(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  char get() {
    if (done()) throw RegexError("the pattern ends too early");
    return pattern_[at_++];
  }

  RegexNode parse_choice(int nesting) {
    if (nesting > kMaxNesting) throw RegexError("groups nest too deeply");
    std::vector<RegexNode> branches;
    do {
      branches.push_back(parse_sequence(nesting));
    } while (take("|"));
    return branches.size() == 1 ? std::move(branches.front()) : of_parts(RegexNode::Kind::choice, std::move(branches));
  }

  RegexNode parse_sequence(int nesting) {
    std::vector<RegexNode> items;
    while (!done() && peek() != '|' && peek() != ')') {
      if (std::optional<std::pair<std::size_t, std::size_t>> times = take_quantifier()) {
        if (items.empty() || items.back().kind == RegexNode::Kind::assertion) throw RegexError("nothing to repeat");
        if (items.back().kind == RegexNode::Kind::repeat) throw RegexError("multiple repeat");
        if (!take("?") && peek() == '+') throw RegexError("possessive repeats are not supported");
        RegexNode repeat = of_parts(RegexNode::Kind::repeat, {std::move(items.back())});
        std::tie(repeat.least, repeat.most) = *times;
        items.back() = std::move(repeat);
        continue;
      }
      items.push_back(parse_item(nesting));
    }
    return of_parts(RegexNode::Kind::sequence, std::move(items));
  }

  // {lo,hi}; Python takes braces that are no quantifier literally.
  std::optional<std::pair<std::size_t, std::size_t>> take_quantifier() {
    if (take("*")) return std::pair(std::size_t{0}, kUnbounded);
    if (take("+")) return std::pair(std::size_t{1}, kUnbounded);
    if (take("?")) return std::pair(std::size_t{0}, std::size_t{1});
    const std::size_t start = at_;
    if (!take("{") || peek() == '}') {
      at_ = start;
      return std::nullopt;
    }
    const std::optional<std::size_t> low = take_number();
    std::optional<std::size_t> high = low;
    if (take(",")) high = take_number();
    if (!take("}")) {
      at_ = start;
      return std::nullopt;
    }
    const std::pair times(low.value_or(0), high.value_or(kUnbounded));
    if (times.second < times.first) throw RegexError("min repeat greater than max repeat");
    return times;
  }

  std::optional<std::size_t> take_number() {
    std::optional<std::size_t> number;
    while (peek() >= '0' && peek() <= '9') {
      number = number.value_or(0) * 10 + static_cast<std::size_t>(get() - '0');
      if (*number > kMaxRegexInstructions) throw RegexError("a repeat count is too large");
    }
    return number;
  }

  RegexNode parse_item(int nesting) {
    const char c = get();
    switch (c) {
      case '.':
        return of_characters(~range('\n', '\n'));
      case '^':
        return of_assertion(Kind::begin);
      case '$':
        return of_assertion(Kind::end_or_newline);
      case '(':
        return parse_group(nesting);
      case '[':
        return of_characters(parse_class());
      case '\\':
        return parse_escape();
      default:
        return of_characters(range(c, c));
    }
  }

  RegexNode parse_group(int nesting) {
    std::optional<bool> look_negated;
    if (take("?")) {
      if (take("=")) {
        look_negated = false;
      } else if (take("!")) {
        look_negated = true;
      } else if (take("P<")) {
        while (get() != '>') {
        }
      } else if (!take(":")) {
        throw RegexError(std::string("groups of the form (?") + peek() + "...) are not supported");
      }
    }
    // A repeat of the group must not read as a repeat of the group's own last item: "(a*)*" is legal, "a**" is not.
    RegexNode node = of_parts(RegexNode::Kind::sequence, {});
    node.parts.push_back(parse_choice(nesting + 1));
    if (!take(")")) throw RegexError("missing ), unterminated subpattern");
    if (look_negated) {
      node.kind = RegexNode::Kind::look;
      node.negated = *look_negated;
    }
    return node;
  }

  RegexNode parse_escape() {
    const char c = get();
    switch (c) {
      case 'A':
        return of_assertion(Kind::begin);
      case 'Z':
        return of_assertion(Kind::end);
      case 'b':
        return of_assertion(Kind::word_boundary);
      case 'B':
        return of_assertion(Kind::no_word_boundary);
      default:
        break;
    }
    if (c >= '1' && c <= '9') throw RegexError("backreferences and octal escapes are not supported");
    if (const std::optional<Characters> shorthand = shorthand_class(c)) return of_characters(*shorthand);
    const int literal = escaped_literal(c);
    return of_characters(range(literal, literal));
  }

  static std::optional<Characters> shorthand_class(char c) {
    switch (c) {
      case 'd':
        return digits();
      case 'D':
        return ~digits();
      case 'w':
        return word_characters();
      case 'W':
        return ~word_characters();
      case 's':
        return white_space();
      case 'S':
        return ~white_space();
      default:
        return std::nullopt;
    }
  }

  int escaped_literal(char c) {
    switch (c) {
      case 'a':
        return '\a';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'v':
        return '\v';
      case 'x': {
        const int high = hex_digit(), low = hex_digit();
        return high * 16 + low;
      }
      default:
        break;
    }
    if (word_characters().test(static_cast<unsigned char>(c)) && c != '_') {
      throw RegexError(std::string("the escape \\") + c + " is not supported");
    }
    return c;
  }

  int hex_digit() {
    const char c = get();
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    throw RegexError("\\x must be followed by two hexadecimal digits");
  }

  // One member of a class: a shorthand class, or a character that may begin a range.
  std::pair<std::optional<Characters>, int> class_member() {
    const char c = get();
    if (c != '\\') return {std::nullopt, c};
    const char escaped = get();
    if (const std::optional<Characters> shorthand = shorthand_class(escaped)) return {shorthand, 0};
    if (escaped == 'b') return {std::nullopt, '\b'};
    return {std::nullopt, escaped_literal(escaped)};
  }

  Characters parse_class() {
    const bool negated = take("^");
    Characters characters;
    for (bool first = true; first || peek() != ']'; first = false) {
      const auto [shorthand, low] = class_member();
      if (peek() == '-' && !pattern_.substr(at_).starts_with("-]")) {
        get();
        const auto [shorthand_end, high] = class_member();
        if (shorthand || shorthand_end || high < low) throw RegexError("bad character range");
        characters |= range(low, high);
        continue;
      }
      characters |= shorthand ? *shorthand : range(low, low);
    }
    get();
    return negated ? ~characters : characters;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
};

}  // namespace

Characters word_characters() { return digits() | range('a', 'z') | range('A', 'Z') | range('_', '_'); }

RegexNode parse_python_regex(std::string_view pattern) { return Parser(pattern).parse(); }

}  // namespace contlm::io
