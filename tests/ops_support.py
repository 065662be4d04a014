"""What the tests of the ops share: every CPU capability, the other devices' path, and opcheck."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from contlm._native import _testing, cpu_capability

DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"]
)


def each_capability() -> Iterator[str]:
    """Every instruction set that this processor has, in use while it is the current one."""
    before = cpu_capability()
    try:
        for name in _testing.cpu_capabilities():
            _testing.set_cpu_capability(name)
            print("CPU capability:", name)
            yield name
    finally:
        _testing.set_cpu_capability(before)


def on_each_capability(test: Callable[..., None]) -> Callable[..., None]:
    """Runs a test once with each of them; the last one printed is the one that failed."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        for _ in each_capability():
            test(*args, **kwargs)

    return run


def opcheck(op: Any, *args: Any) -> None:
    torch.library.opcheck(op.default, args)


def composite(op: Any, *args: Any) -> Any:
    """Runs the plain ATen implementation, the one that other devices take, on CPU tensors."""
    return op.default._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, *args)
