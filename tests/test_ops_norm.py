from __future__ import annotations

import pytest
import reference
import torch
from ops_support import DTYPES, composite, on_each_capability, opcheck
from tolerances import assert_close

OPS = torch.ops.contlm
SHAPES = [(0, 64), (1, 1), (4, 7), (5, 64), (3, 577), (70, 576)]


@DTYPES
@pytest.mark.parametrize("with_y", [False, True], ids=["alone", "with_y"])
@pytest.mark.parametrize("weight_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
@on_each_capability
def test_residual_norms(
    dtype: torch.dtype,
    with_y: bool,
    weight_dtype: torch.dtype,
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(1)
    before = torch.randn(shape) * 3 + 0.5
    y = torch.randn(shape).to(dtype) if with_y else None
    weight = torch.randn(shape[1]).to(weight_dtype)
    bias = torch.randn(shape[1]).to(weight_dtype)
    after = before + y.float() if y is not None else before
    truths = {
        OPS.residual_rms_norm_: ((weight,), reference.rms_norm(after, weight, 1e-5)),
        OPS.residual_layer_norm_: ((weight, bias), reference.layer_norm(after, weight, bias, 1e-5)),
    }
    for op, (parameters, truth) in truths.items():
        for call in (op, lambda *args, op=op: composite(op, *args)):
            residual = before.clone()
            out = call(residual, y, *parameters, 1e-5, dtype)
            assert out.dtype == dtype
            # The last place of a large mean may be lost against a small spread.
            assert_close(out, truth)
            torch.testing.assert_close(residual, after, rtol=0, atol=0)


@on_each_capability
def test_rows_may_be_strided() -> None:
    wide = torch.randn(5, 100)
    y = torch.randn(40, 5).T
    after = wide[:, 30:70] + y
    untouched = wide.clone()
    weight = torch.randn(80)[::2]
    out = OPS.residual_rms_norm_(wide[:, 30:70], y, weight, 1e-6, torch.float32)
    assert_close(out, reference.rms_norm(after, weight, 1e-6))
    torch.testing.assert_close(wide[:, 30:70], after)
    assert torch.equal(wide[:, :30], untouched[:, :30])


@DTYPES
@pytest.mark.parametrize("shape", [(0, 2, 8), (3, 1, 5), (4, 3, 64), (2, 5, 129)])
@on_each_capability
def test_head_rms_norm(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    tokens, heads, dim = shape
    weight = torch.randn(dim).to(dtype)
    qkv = torch.randn(tokens, heads * dim + 11).to(dtype)
    x = qkv[:, 11:].unflatten(1, (heads, dim))
    truth, plain, tail = reference.rms_norm(x, weight, 1e-6), x.clone(), qkv[:, :11].clone()
    composite(OPS.head_rms_norm_, plain, weight, 1e-6)
    OPS.head_rms_norm_(x, weight, 1e-6)
    assert_close(x, truth)
    assert_close(plain, truth)
    assert torch.equal(qkv[:, :11], tail)


def test_opcheck() -> None:
    x, y, w = torch.randn(3, 8), torch.randn(3, 8), torch.randn(8)
    opcheck(OPS.residual_rms_norm_, x, y, w, 1e-5, torch.bfloat16)
    opcheck(OPS.residual_rms_norm_, x, None, w, 1e-5, torch.float32)
    opcheck(OPS.residual_layer_norm_, x, y, w, w.clone(), 1e-5, torch.float32)
    opcheck(OPS.head_rms_norm_, torch.randn(3, 2, 8), w, 1e-5)


X, W = torch.ones(3, 8), torch.ones(8)


@pytest.mark.parametrize(
    ("residual", "y", "weight", "bias", "dtype", "error", "text"),
    [
        (torch.ones(8), None, W, None, X.dtype, ValueError, r"residual must be \[T, H\]"),
        (X.bfloat16(), None, W, None, X.dtype, TypeError, "residual must be float32"),
        (X.T, None, torch.ones(3), None, X.dtype, ValueError, "last dimension of residual"),
        (X, torch.ones(3, 7), W, None, X.dtype, ValueError, r"y must be .* = \[3, 8\]"),
        (X, X.double(), W, None, X.dtype, TypeError, "y must be float32 or bfloat16"),
        (X, None, torch.ones(7), None, X.dtype, ValueError, r"weight must be \[H\] = \[8\]"),
        (X, None, W.half(), None, X.dtype, TypeError, "weight must be float32 or bfloat16"),
        (X, None, W, None, torch.float16, TypeError, "dtype must be float32 or bfloat16"),
        (X, None, W, torch.ones(7), X.dtype, ValueError, r"bias must be \[H\] = \[8\]"),
        (X, None, W, W.bfloat16(), X.dtype, TypeError, "bias must be float32, got bfloat16"),
    ],
)
def test_residual_errors(residual, y, weight, bias, dtype, error, text) -> None:
    with pytest.raises(error, match=text):
        if bias is None:
            OPS.residual_rms_norm_(residual, y, weight, 1e-5, dtype)
        else:
            OPS.residual_layer_norm_(residual, y, weight, bias, 1e-5, dtype)


@pytest.mark.parametrize(
    ("x", "weight", "error", "text"),
    [
        (torch.ones(3, 8), W, ValueError, r"x must be \[T, heads, D\]"),
        (torch.ones(3, 2, 8), torch.ones(7), ValueError, r"weight must be \[D\] = \[8\]"),
        (torch.ones(3, 2, 8).half(), W, TypeError, "x must be float32 or bfloat16"),
        (torch.ones(3, 2, 8), W.half(), TypeError, "weight must be float32 or bfloat16"),
        (torch.ones(3, 8, 2).mT, torch.ones(8), ValueError, "last dimension of x"),
    ],
)
def test_head_errors(x, weight, error, text) -> None:
    with pytest.raises(error, match=text):
        OPS.head_rms_norm_(x, weight, 1e-5)
