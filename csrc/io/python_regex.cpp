// A pattern becomes a program of the kind that Thompson described in "Regular expression search algorithm" (CACM 1968).
// Only whether it matches is asked, so a state (instruction, position) that failed once need never be entered again.
#include "io/python_regex.h"

#include <map>
#include <utility>

#include "io/python_regex_syntax.h"

namespace contlm::io {
namespace {

using Instruction = PythonRegex::Instruction;
using Kind = Instruction::Kind;

// Appends code for a node; what follows it falls through to the end of the program.
class Compiler {
 public:
  std::vector<Instruction> program;

  void emit(const RegexNode& node) {
    // Counts what is visited and not only what is emitted: repeats of nothing would otherwise nest for ever.
    if (++visited_ > 4 * kMaxRegexInstructions) too_large();
    switch (node.kind) {
      case RegexNode::Kind::characters:
        program[add(Kind::characters)].characters = node.characters;
        return;
      case RegexNode::Kind::assertion:
        add(node.assertion);
        return;
      case RegexNode::Kind::sequence:
        for (const RegexNode& part : node.parts) emit(part);
        return;
      case RegexNode::Kind::choice:
        emit_choice(node);
        return;
      case RegexNode::Kind::repeat:
        emit_repeat(node);
        return;
      case RegexNode::Kind::look:
        emit_look(node);
        return;
    }
  }

  std::size_t add(Kind kind) {
    if (program.size() >= kMaxRegexInstructions) too_large();
    program.push_back({kind, program.size() + 1});
    return program.size() - 1;
  }

 private:
  [[noreturn]] static void too_large() { throw RegexError("the pattern is too large once its repeats are expanded"); }

  void emit_choice(const RegexNode& node) {
    std::vector<std::size_t> exits;
    for (std::size_t i = 0; i < node.parts.size(); ++i) {
      const bool last = i + 1 == node.parts.size();
      const std::size_t split = last ? 0 : add(Kind::split);
      emit(node.parts[i]);
      if (last) break;
      exits.push_back(add(Kind::jump));
      program[split].other = program.size();
    }
    for (const std::size_t exit : exits) program[exit].next = program.size();
  }

  void emit_repeat(const RegexNode& node) {
    const RegexNode& body = node.parts.front();
    for (std::size_t i = 0; i < node.least; ++i) emit(body);
    if (node.most == kUnbounded) {
      const std::size_t split = add(Kind::split);
      emit(body);
      program[add(Kind::jump)].next = split;
      program[split].other = program.size();
      return;
    }
    std::vector<std::size_t> splits;
    for (std::size_t i = node.least; i < node.most; ++i) {
      splits.push_back(add(Kind::split));
      emit(body);
    }
    for (const std::size_t split : splits) program[split].other = program.size();
  }

  void emit_look(const RegexNode& node) {
    const std::size_t look = add(Kind::look);
    program[look].negated = node.negated;
    program[look].other = program.size();
    emit(node.parts.front());
    add(Kind::accept);
    program[look].next = program.size();
  }

  std::size_t visited_ = 0;
};

class Matcher {
 public:
  Matcher(const std::vector<Instruction>& program, std::string_view text) : program_(program), text_(text) {}

  bool run(std::size_t start, std::size_t position, bool to_the_end) {
    std::vector<bool> seen(program_.size() * (text_.size() + 1));
    std::vector<std::pair<std::size_t, std::size_t>> open = {{start, position}};
    while (!open.empty()) {
      auto [at, here] = open.back();
      open.pop_back();
      for (;;) {
        const std::size_t state = at * (text_.size() + 1) + here;
        if (seen[state]) break;
        seen[state] = true;
        const Instruction& instruction = program_[at];
        if (instruction.kind == Kind::accept) {
          if (!to_the_end || here == text_.size()) return true;
          break;
        }
        if (instruction.kind == Kind::split) open.emplace_back(instruction.other, here);
        if (!step(instruction, at, here)) break;
        if (instruction.kind == Kind::characters) ++here;
        at = instruction.next;
      }
    }
    return false;
  }

 private:
  bool step(const Instruction& instruction, std::size_t at, std::size_t here) {
    switch (instruction.kind) {
      case Kind::characters:
        return here < text_.size() && instruction.characters.test(static_cast<unsigned char>(text_[here]));
      case Kind::begin:
        return here == 0;
      case Kind::end:
        return here == text_.size();
      case Kind::end_or_newline:
        return here == text_.size() || (here + 1 == text_.size() && text_[here] == '\n');
      case Kind::word_boundary:
        return is_word(here) != (here > 0 && is_word(here - 1));
      case Kind::no_word_boundary:
        return is_word(here) == (here > 0 && is_word(here - 1));
      case Kind::look: {
        // Remembered, or looks within looks would multiply.
        const auto [found, is_new] = looks_.try_emplace({at, here}, false);
        if (is_new) found->second = run(instruction.other, here, false) != instruction.negated;
        return found->second;
      }
      default:
        return true;
    }
  }
  bool is_word(std::size_t here) const {
    return here < text_.size() && word_characters().test(static_cast<unsigned char>(text_[here]));
  }

  const std::vector<Instruction>& program_;
  std::string_view text_;
  std::map<std::pair<std::size_t, std::size_t>, bool> looks_;
};

}  // namespace

PythonRegex::PythonRegex(std::string_view pattern) {
  Compiler compiler;
  compiler.emit(parse_python_regex(pattern));
  compiler.add(Instruction::Kind::accept);
  program_ = std::move(compiler.program);
}

bool PythonRegex::match(std::string_view text) const { return Matcher(program_, text).run(0, 0, false); }
bool PythonRegex::fullmatch(std::string_view text) const { return Matcher(program_, text).run(0, 0, true); }

}  // namespace contlm::io
