// Token and position embeddings: rows of a table, widened to fp32, plus the bank's delta on them.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "lora/applied_anchors.h"
#include "models/weights.h"

namespace contlm::models {

class TokenEmbedding {
 public:
  TokenEmbedding() = default;
  TokenEmbedding(const Weights& weights, std::string name, std::int64_t rows, std::int64_t dim, at::Device device);

  const std::string& name() const { return name_; }
  const at::Tensor& table() const { return table_; }  // [rows, dim], the checkpoint's dtype
  // ids [n] int64 -> [n, dim] fp32.
  at::Tensor forward(const at::Tensor& ids, const lora::AppliedAnchors& anchors) const;

 private:
  std::string name_;
  at::Tensor table_;
};

}  // namespace contlm::models
