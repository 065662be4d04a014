// The bank made ready for products: the factors of the active anchors stacked, rounded to the compute dtype and packed.
// Modules that read one input (q, k and v; gate and up) share one shrink, so an input meets the A factors of all of
// them in one product:
//   u[n]  = x[n] A_stack^T,  u[n, r] *= coeffs[n, anchor(r)] * scaling(r)
//   y[n] += u[n, columns of the module] B^T
// Rows of one batch may stand at different points: only `coeffs` differs between them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "lora/anchor_bank.h"

namespace contlm::lora {

// Modules by name, those that read the same input side by side: the model states them once, and a module is known
// afterwards by its group and its place in it.
using InputGroups = std::vector<std::vector<std::string>>;

// The columns of u that belong to one module, and what expands them.
struct BankMember {
  std::int64_t begin = 0, end = 0;  // empty: no active anchor adapts this module
  at::Tensor B;                     // packed [out, end - begin]
  at::Tensor bias;                  // packed [out, anchors with a bias], or undefined
  at::Tensor bias_anchor;           // [anchors with a bias] int64
  at::Tensor bias_scaling;          // [anchors with a bias] fp32
};

class BankGroup {
 public:
  BankGroup() = default;
  BankGroup(const AnchorBank& bank, const std::vector<std::string>& modules, const AnchorSet& active,
            at::ScalarType dtype, at::Device device);

  bool empty() const { return !A_.defined(); }
  // x [n, in] -> u [n, R] in x's dtype, scaled. coeffs [n, K] fp32.
  at::Tensor shrink(const at::Tensor& x, const at::Tensor& coeffs) const;
  // y [n, out] of the member-th module -> y with its delta added.
  at::Tensor expand(std::size_t member, const at::Tensor& u, const at::Tensor& coeffs, const at::Tensor& y) const;

 private:
  at::Tensor A_;        // packed [R, in]
  at::Tensor anchor_;   // [R] int32
  at::Tensor scaling_;  // [R] fp32
  std::vector<BankMember> members_;
};

// An embedding's delta is looked up, then expanded: y[n] += ((A^T[ids[n]]) * c * scaling) B^T, in fp32.
class BankEmbedding {
 public:
  BankEmbedding() = default;
  BankEmbedding(const AnchorBank& bank, const std::string& module, at::Device device);

  bool empty() const { return !table_.defined(); }
  // y [n, dim] fp32, in place; ids [n] int64; coeffs [n, K] fp32.
  void add_(const at::Tensor& y, const at::Tensor& ids, const at::Tensor& coeffs) const;

 private:
  at::Tensor table_;  // [vocab, R] fp32: A_stack^T
  at::Tensor anchor_, scaling_;
  at::Tensor B_;  // packed [dim, R] fp32
};

// The groups of the whole model.
struct PackedBank {
  PackedBank(const AnchorBank& bank, const InputGroups& groups, AnchorSet active, at::ScalarType dtype,
             at::Device device);

  AnchorSet active;
  std::vector<BankGroup> groups;
};

// Elements of A and B that these anchors take up when packed, for the planner.
std::int64_t bank_parameters(const AnchorBank& bank, const InputGroups& groups, const AnchorSet& active);

}  // namespace contlm::lora
