"""Slow plain truths, in float64."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional


def silu_mul(gate: Tensor, up: Tensor) -> Tensor:
    gate = gate.double()
    return gate / (1 + torch.exp(-gate)) * up.double()


def scale_lora(u: Tensor, coeffs: Tensor, anchor: Tensor, scaling: Tensor) -> Tensor:
    return u.double() * coeffs.double()[:, anchor.long()] * scaling.double()


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    x = x.double()
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * weight.double()


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    x = x.double()
    return rms_norm(x - x.mean(-1, keepdim=True), weight, eps) + bias.double()


def rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [T, heads, D], cos and sin [T, D/2]; transformers' rotate_half."""
    x, cos, sin = (tensor.double() for tensor in (x, cos, sin))
    low, high = x.chunk(2, -1)
    rotated = torch.cat([-high, low], -1)
    return x * torch.cat([cos, cos], -1)[:, None] + rotated * torch.cat([sin, sin], -1)[:, None]


def cached_attention(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    slot: Tensor,
    begin: Tensor,
    end: Tensor,
    scale: float,
) -> Tensor:
    """q [T, Hq, D], caches [slots, Hkv, capacity, D], a range of keys per token; [T, Hq * D]."""
    group = q.shape[1] // k_cache.shape[1]
    rows = []
    for token, (s, b, e) in enumerate(
        zip(slot.tolist(), begin.tolist(), end.tolist(), strict=True)
    ):
        keys = k_cache[s, :, b:e].double().repeat_interleave(group, 0)
        values = v_cache[s, :, b:e].double().repeat_interleave(group, 0)
        scores = torch.einsum("hd,hsd->hs", q[token].double(), keys) * scale
        rows.append(torch.einsum("hs,hsd->hd", scores.softmax(-1), values).reshape(-1))
    return torch.stack(rows) if rows else q.new_empty(0, q.shape[1] * q.shape[2]).double()


ACTIVATIONS = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "relu": functional.relu,
}


def packed_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    addend: Tensor | None = None,
    activation: str | None = None,
) -> Tensor:
    y = x.double() @ weight.double().T
    for term in (bias, addend):
        if term is not None:
            y = y + term.double()
    return y if activation is None else ACTIVATIONS[activation](y)


def filtered_probabilities(
    logits: Tensor, temperature: float, top_k: int, top_p: float, min_p: float
) -> Tensor:
    """Probabilities [n, V] after transformers' warpers, in the order of its generate."""
    from transformers.generation import logits_process as warpers

    scores = warpers.TemperatureLogitsWarper(temperature)(None, logits.double())
    if top_k > 0:
        scores = warpers.TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = warpers.TopPLogitsWarper(top_p)(None, scores)
    if min_p > 0:
        scores = warpers.MinPLogitsWarper(min_p)(None, scores)
    return scores.softmax(-1)


def inverse_cdf(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """The smallest token whose cumulative probability exceeds the row's uniform number."""
    cumulative = probabilities.double().cumsum(-1)
    return (cumulative > uniform[:, None] * cumulative[:, -1:]).int().argmax(-1)


def target_nll(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.double().log_softmax(-1)[torch.arange(len(targets)), targets]


def philox_4x32_10(counter: list[int], key: list[int]) -> list[int]:
    """Ten rounds of Philox4x32 (Salmon et al., SC 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [c0, c1, c2, c3]
