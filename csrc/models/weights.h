// The parameters of one checkpoint by their HuggingFace names, shapes checked. A checkpoint saved from the bare base
// model lacks the causal model's prefix ("transformer.", "model.", "roberta."); both spellings are read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "io/safetensors.h"

namespace contlm::models {

class Weights {
 public:
  Weights(std::shared_ptr<const io::TensorSource> source, std::string optional_prefix)
      : source_(std::move(source)), prefix_(std::move(optional_prefix)) {}

  bool contains(const std::string& name) const { return source_->contains(spelled(name)); }
  // The tensor as stored, not copied. CheckpointError naming file, key and both shapes unless it is a float tensor of
  // `shape`.
  at::Tensor get(const std::string& name, at::IntArrayRef shape) const;
  // How the checkpoint spells the name.
  std::string spelled(const std::string& name) const;
  const io::TensorSource& source() const { return *source_; }

 private:
  std::shared_ptr<const io::TensorSource> source_;
  std::string prefix_;
};

}  // namespace contlm::models
