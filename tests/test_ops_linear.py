from __future__ import annotations

from typing import Any

import pytest
import reference
import torch
from ops_support import DTYPES, composite, opcheck
from tolerances import assert_close

PACK = torch.ops.contlm.pack_linear_weight
LINEAR = torch.ops.contlm.packed_linear


def operands(n: int, inner: int, outer: int, dtype: torch.dtype):
    """x, weight, bias, addend whose products are of size one."""
    torch.manual_seed(3)
    weight = (torch.randn(outer, inner) / inner**0.5).to(dtype)
    return (
        torch.randn(n, inner).to(dtype),
        weight,
        torch.randn(outer).to(dtype),
        torch.randn(n, outer).to(dtype),
    )


@DTYPES
@pytest.mark.parametrize(
    "size", [(0, 16, 8), (1, 1, 1), (3, 70, 100), (64, 576, 192), (65, 33, 31)]
)
@pytest.mark.parametrize("with_bias", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("with_addend", [False, True], ids=["", "addend"])
def test_matches_reference(
    dtype: torch.dtype, size: tuple[int, int, int], with_bias: bool, with_addend: bool
) -> None:
    x, weight, bias, addend = operands(*size, dtype)
    terms = (bias if with_bias else None, addend if with_addend else None)
    y = LINEAR(x, PACK(weight), *terms)
    assert y.dtype == dtype
    assert_close(y, reference.packed_linear(x, weight, *terms), dtype)
    assert_close(
        composite(LINEAR, x, composite(PACK, weight), *terms),
        reference.packed_linear(x, weight, *terms),
    )


@DTYPES
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("with_addend", [False, True], ids=["", "addend"])
def test_activations(dtype: torch.dtype, activation: str, with_addend: bool) -> None:
    x, weight, bias, addend = operands(65, 70, 100, dtype)
    terms = (bias * 4, addend if with_addend else None, activation)
    truth = reference.packed_linear(x, weight, *terms)
    assert_close(LINEAR(x, PACK(weight), *terms), truth, dtype)
    assert_close(composite(LINEAR, x, composite(PACK, weight), *terms), truth)


@DTYPES
def test_strides(dtype: torch.dtype) -> None:
    x, weight, bias, addend = operands(5, 140, 100, dtype)
    packed = PACK(weight[:, ::2])
    strided = torch.randn(5, 200).to(dtype)[:, 60:160]
    for columns in (slice(0, 70), slice(70, 140), slice(0, 140, 2)):
        truth = reference.packed_linear(x[:, columns], weight[:, ::2], bias, strided)
        assert_close(LINEAR(x[:, columns], packed, bias, strided), truth)
    transposed = x.T.contiguous().T
    assert_close(
        LINEAR(transposed, PACK(weight), bias, addend),
        reference.packed_linear(x, weight, bias, addend),
    )


def test_bfloat16_product_of_a_widened_weight_rounds_once() -> None:
    x, weight, bias, addend = operands(9, 64, 48, torch.bfloat16)
    widened = PACK(weight.float())
    if not widened.is_mkldnn:
        pytest.skip("no oneDNN here: weights are not packed")
    y = LINEAR(x, widened, bias, addend)
    wide = LINEAR(x.float(), widened, bias.float(), addend.float())
    torch.testing.assert_close(y, wide.bfloat16(), rtol=0, atol=0)


def test_without_onednn() -> None:
    x, weight, bias, addend = operands(3, 8, 6, torch.float32)
    with torch.backends.mkldnn.flags(enabled=False):
        packed = PACK(weight)
    assert not packed.is_mkldnn
    truth = reference.packed_linear(x, weight, bias, addend)
    assert_close(LINEAR(x, packed, bias, addend), truth)


def test_opcheck() -> None:
    # Fake tensors know no oneDNN layout: the plain one, which the ops also take, is checked.
    x, weight, bias, addend = operands(3, 8, 6, torch.float32)
    opcheck(LINEAR, x, weight, bias, addend)
    opcheck(LINEAR, x, weight, None, None, "gelu")
    with torch.backends.mkldnn.flags(enabled=False):
        torch.library.opcheck(PACK.default, (weight,), test_utils="test_schema")
        torch.library.opcheck(PACK.default, (weight,), test_utils="test_faketensor")


@pytest.mark.parametrize(
    ("weight", "error", "text"),
    [
        (torch.ones(3), ValueError, r"weight must be \[out, in\]"),
        (torch.ones(3, 4).half(), TypeError, "weight must be float32 or bfloat16"),
        (torch.ones(0, 4), ValueError, "weight must not be empty"),
    ],
)
def test_pack_errors(weight: torch.Tensor, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        PACK(weight)


@pytest.mark.parametrize(
    ("index", "value", "error", "text"),
    [
        (0, torch.ones(3, 7), ValueError, r"x must be \[n, in\] = \[any, 8\], got .*\[3, 7\]"),
        (0, torch.ones(3, 8).half(), TypeError, "x must be float32 or bfloat16"),
        (1, torch.ones(6), ValueError, r"packed_weight must be \[out, in\]"),
        (1, torch.ones(6, 8).bfloat16(), TypeError, "x must be bfloat16, got float32"),
        (2, torch.ones(5), ValueError, r"bias must be \[out\] = \[6\]"),
        (2, torch.ones(6).bfloat16(), TypeError, "bias must be float32"),
        (3, torch.ones(3, 5), ValueError, r"addend must be \[n, out\] = \[3, 6\]"),
        (3, torch.ones(3, 6).bfloat16(), TypeError, "addend must be float32"),
        (4, "tanh", ValueError, 'activation: must be silu, gelu, gelu_tanh or relu, got "tanh"'),
    ],
)
def test_errors(index: int, value: Any, error: type[Exception], text: str) -> None:
    args: list[Any] = [*operands(3, 8, 6, torch.float32), None]
    args[1] = PACK(args[1])
    args[index] = value
    with pytest.raises(error, match=text):
        LINEAR(*args)
