// Every op's schema; the formulas and shapes stand in the like-named headers. Each backend registers its kernels at the
// foot of its own files.
#include <torch/library.h>

TORCH_LIBRARY(contlm, library) {
  library.def("pack_linear_weight(Tensor(a) weight) -> Tensor(a)");
  library.def(
      "packed_linear(Tensor x, Tensor packed_weight, Tensor? bias=None, Tensor? addend=None, str? activation=None)"
      " -> Tensor");
  library.def("scale_lora_(Tensor(a!) u, Tensor coeffs, Tensor anchor, Tensor scaling) -> ()");
  library.def(
      "residual_rms_norm_(Tensor(a!) residual, Tensor? y, Tensor weight, float eps, ScalarType dtype) -> Tensor");
  library.def(
      "residual_layer_norm_(Tensor(a!) residual, Tensor? y, Tensor weight, Tensor bias, float eps, ScalarType dtype)"
      " -> Tensor");
  library.def("head_rms_norm_(Tensor(a!) x, Tensor weight, float eps) -> ()");
  library.def("rotary_(Tensor(a!) x, Tensor cos, Tensor sin) -> ()");
  library.def(
      "write_kv_(Tensor k, Tensor v, Tensor(a!) k_cache, Tensor(b!) v_cache, Tensor slot, Tensor position) -> ()");
  library.def(
      "cached_attention(Tensor q, Tensor k_cache, Tensor v_cache, Tensor slot, Tensor key_begin, Tensor key_end, float "
      "scale) -> Tensor");
  library.def("silu_mul(Tensor gate, Tensor up) -> Tensor");
  library.def("target_nll(Tensor logits, Tensor targets) -> Tensor");
  library.def(
      "sample(Tensor logits, Tensor uniform, bool do_sample, float temperature, int top_k, float top_p, float min_p)"
      " -> Tensor");
  library.def("apply_repetition_penalty_(Tensor(a!) logits, Tensor offsets, Tensor tokens, float penalty) -> ()");
}
