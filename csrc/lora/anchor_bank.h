// The anchors of one base model: for every module that any of them adapts, their factors side by side. Anchors may
// differ in rank, in scaling and in the modules that they adapt. The bank owns its factors (a copy, in the dtype they
// were stored in), so neither a file that changes nor a tensor that its owner trains on reaches a model that was built
// from them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "io/peft_adapter.h"
#include "lora/coefficients.h"

namespace contlm::lora {

// One anchor's delta on one module: scaling * B A, and scaling * bias on the output.
struct AnchorFactors {
  std::int64_t anchor;
  at::Tensor A;     // [r, in]
  at::Tensor B;     // [out, r]
  at::Tensor bias;  // [out], or undefined
  double scaling;
};

class AnchorBank {
 public:
  // Takes the next index. ValueError when the name is taken.
  void add(const std::string& name, const io::PeftAdapter& adapter);
  // Likewise, from another bank of the same base, which shares the factors with this one.
  void add(const std::string& name, const AnchorBank& other, std::int64_t anchor);

  std::int64_t size() const { return static_cast<std::int64_t>(names_.size()); }
  const std::vector<std::string>& names() const { return names_; }
  // Every adapted module's factors, ordered by anchor.
  const std::map<std::string, std::vector<AnchorFactors>>& modules() const { return modules_; }
  // The factors of the named module, or an empty list.
  const std::vector<AnchorFactors>& factors(const std::string& module) const;

  // ValueError unless `c` has K finite values.
  void check(const Coefficients& c) const;

 private:
  // The index of an anchor that is added. ValueError when the name is taken.
  std::int64_t take(const std::string& name);

  std::vector<std::string> names_;
  std::map<std::string, std::vector<AnchorFactors>> modules_;
};

// The anchors with a coefficient other than zero.
AnchorSet active_anchors(const Coefficients& c);
AnchorSet unite(const AnchorSet& a, const AnchorSet& b);

}  // namespace contlm::lora
