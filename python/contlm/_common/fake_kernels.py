"""Fake kernels of the native ops (csrc/ops): shapes and dtypes, for torch.compile and opcheck."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.library import register_fake

import contlm._native  # noqa: F401  its loading registers the ops


@register_fake("contlm::pack_linear_weight")
def _pack_linear_weight(weight: Tensor) -> Tensor:
    # Fake tensors know no oneDNN layout: this is the view that other devices return.
    return torch.ops.aten.alias(weight)


@register_fake("contlm::packed_linear")
def _packed_linear(
    x: Tensor,
    packed_weight: Tensor,
    bias: Tensor | None = None,
    addend: Tensor | None = None,
    activation: str | None = None,
) -> Tensor:
    return x.new_empty(x.shape[0], packed_weight.shape[0])


@register_fake("contlm::residual_rms_norm_")
def _residual_rms_norm_(
    residual: Tensor, y: Tensor | None, weight: Tensor, eps: float, dtype: torch.dtype
) -> Tensor:
    return residual.new_empty(residual.shape, dtype=dtype)


@register_fake("contlm::residual_layer_norm_")
def _residual_layer_norm_(
    residual: Tensor,
    y: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    dtype: torch.dtype,
) -> Tensor:
    return residual.new_empty(residual.shape, dtype=dtype)


@register_fake("contlm::cached_attention")
def _cached_attention(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    slot: Tensor,
    key_begin: Tensor,
    key_end: Tensor,
    scale: float,
) -> Tensor:
    return q.new_empty(q.shape[0], q.shape[1] * q.shape[2])


@register_fake("contlm::silu_mul")
def _silu_mul(gate: Tensor, up: Tensor) -> Tensor:
    return gate.new_empty(gate.shape)


@register_fake("contlm::target_nll")
def _target_nll(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.new_empty(logits.shape[0], dtype=torch.float32)


@register_fake("contlm::sample")
def _sample(
    logits: Tensor,
    uniform: Tensor,
    do_sample: bool,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
) -> Tensor:
    return logits.new_empty(logits.shape[0], dtype=torch.int64)


@register_fake("contlm::scale_lora_")
def _scale_lora_(u: Tensor, coeffs: Tensor, anchor: Tensor, scaling: Tensor) -> None:
    return None


@register_fake("contlm::head_rms_norm_")
def _head_rms_norm_(x: Tensor, weight: Tensor, eps: float) -> None:
    return None


@register_fake("contlm::rotary_")
def _rotary_(x: Tensor, cos: Tensor, sin: Tensor) -> None:
    return None


@register_fake("contlm::write_kv_")
def _write_kv_(
    k: Tensor, v: Tensor, k_cache: Tensor, v_cache: Tensor, slot: Tensor, position: Tensor
) -> None:
    return None


@register_fake("contlm::apply_repetition_penalty_")
def _apply_repetition_penalty_(
    logits: Tensor, offsets: Tensor, tokens: Tensor, penalty: float
) -> None:
    return None
