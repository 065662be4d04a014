"""What the machine allows: its fastest products and reads, measured beside what they bound.

The products are those of all layers of a model in turn, each with a weight of its own, so that
weights stream from memory as they do in use. Of what torch ships the fastest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from .timing import wall
from .work import Pass, Transformer

ROWS = (64, 256, 1024)
READ_BYTES = 2**29
Calls = dict[str, tuple[float, Callable[[], Any]]]  # name -> what a call does, and the call


class Bound:
    """Rates of the fastest products (FLOP/s) and reads (bytes/s); the best of every `sample`.

    The caller samples between rounds too, so that a quiet moment counts for the bound as it does
    for what is timed.
    """

    def __init__(self, model: Transformer, dtype: torch.dtype, device: str = "cpu") -> None:
        candidates = _candidates(model, dtype, device)
        weights = model.layers * sum(out * inner for out, inner in model.products)
        first = next(iter(candidates))
        self._products: Calls = {
            f"{name}, {rows} rows": (2.0 * rows * weights, products(rows))
            for name, products in candidates.items()
            for rows in ROWS
        }
        self._reads: Calls = {
            "a sum": (float(READ_BYTES), torch.ones(READ_BYTES // 4, device=device).sum),
            f"{first}, 1 row": (float(weights * dtype.itemsize), candidates[first](1)),
        }
        self.flops: tuple[float, str] = (0.0, "")
        self.bytes: tuple[float, str] = (0.0, "")
        self.sample()  # the first call of a product is slow
        self.sample()
        self._products = {self.flops[1]: self._products[self.flops[1]]}
        self._reads = {self.bytes[1]: self._reads[self.bytes[1]]}

    @torch.inference_mode()
    def sample(self) -> None:
        self.flops = max(self.flops, _fastest(self._products))
        self.bytes = max(self.bytes, _fastest(self._reads))

    def seconds(self, passes: Iterable[Pass]) -> float:
        """The least that the passes take: each is bound by its products or by reading its
        weights."""
        return sum(max(p.flops / self.flops[0], p.bytes / self.bytes[0]) for p in passes)

    def report(self) -> dict[str, Any]:
        return {
            "product_gflops": self.flops[0] / 1e9,
            "products_of": self.flops[1],
            "read_gb_per_s": self.bytes[0] / 1e9,
            "reads_of": self.bytes[1],
        }


def _fastest(calls: Calls) -> tuple[float, str]:
    return max((amount / wall(call), name) for name, (amount, call) in calls.items())


def _candidates(
    model: Transformer, dtype: torch.dtype, device: str
) -> dict[str, Callable[[int], Callable[[], None]]]:
    """Ways to compute the products of a model that holds its weights in `dtype`, the plain one
    first: name -> rows -> call.

    Where float32 products are the faster ones, a weight of bfloat16 can be widened once, so they
    count for it too.
    """
    found = {f"torch linear {_name(dtype)}": _products(model, dtype, device, packed=False)}
    if device == "cpu" and torch.backends.mkldnn.is_available():
        if dtype is torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported():
            packed = _products(model, dtype, device, packed=True)
            found = {f"prepacked oneDNN {_name(dtype)}": packed, **found}
        if dtype is torch.bfloat16:
            packed = _products(model, torch.float32, device, packed=True)
            found["prepacked oneDNN float32"] = packed
    return found


def _products(
    model: Transformer, dtype: torch.dtype, device: str, *, packed: bool
) -> Callable[[int], Callable[[], None]]:
    weights = [
        torch.randn(out, inner, device=device).to(dtype)
        for _ in range(model.layers)
        for out, inner in model.products
    ]
    widths = [weight.size(1) for weight in weights]
    if packed:
        weights = [torch.ops.mkldnn._reorder_linear_weight(weight, 64) for weight in weights]

    def of_rows(rows: int) -> Callable[[], None]:
        inputs = {width: torch.randn(rows, width, device=device).to(dtype) for width in set(widths)}

        def call() -> None:
            for weight, width in zip(weights, widths, strict=True):
                if packed:
                    torch.ops.mkldnn._linear_pointwise(inputs[width], weight, None, "none", [], "")
                else:
                    torch.nn.functional.linear(inputs[width], weight)

        return call

    return of_rows


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
