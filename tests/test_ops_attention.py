from __future__ import annotations

import pytest
import reference
import torch
from ops_support import DTYPES, composite, each_capability, on_each_capability, opcheck
from tolerances import assert_close
from torch import Tensor

OPS = torch.ops.contlm
FLOAT = torch.float32


def caches(slots: int, heads: int, capacity: int, dim: int, dtype: torch.dtype) -> list[Tensor]:
    return [torch.randn(slots, heads, capacity, dim).to(dtype) for _ in range(2)]


def ints(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def causal(lengths: list[int], first: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """slot, key_begin, key_end of windows of new tokens, one per slot, each after `first` cached
    ones."""
    slot = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)).int()
    end = torch.cat([torch.arange(first + 1, first + 1 + n) for n in lengths]).int()
    return slot, torch.zeros_like(slot), end


def check_attention(q: Tensor, k: Tensor, v: Tensor, ranges: tuple[Tensor, Tensor, Tensor]) -> None:
    scale = q.shape[-1] ** -0.5
    truth = reference.cached_attention(q, k, v, *ranges, scale)
    for _ in each_capability():
        out = OPS.cached_attention(q, k, v, *ranges, scale)
        assert out.dtype == q.dtype
        assert_close(out, truth)
    assert_close(composite(OPS.cached_attention, q, k, v, *ranges, scale), truth)


@DTYPES
@pytest.mark.parametrize("heads", [(1, 1), (4, 4), (9, 3), (14, 2), (70, 1)])
@pytest.mark.parametrize("dim", [1, 13, 24, 64, 128])
def test_windows(dtype: torch.dtype, heads: tuple[int, int], dim: int) -> None:
    torch.manual_seed(4)
    k, v = caches(4, heads[1], 100, dim, dtype)
    ranges = causal([1, 17, 5, 40], first=30)
    check_attention(torch.randn(63, heads[0], dim).to(dtype), k, v, ranges)


@DTYPES
def test_long_window(dtype: torch.dtype) -> None:
    torch.manual_seed(5)
    k, v = caches(1, 2, 700, 64, dtype)
    check_attention(torch.randn(50, 6, 64).to(dtype), k, v, causal([50], first=620))


@DTYPES
@pytest.mark.parametrize("window", [1, 20, 64, 90])
def test_sliding_windows(dtype: torch.dtype, window: int) -> None:
    torch.manual_seed(6)
    k, v = caches(2, 2, 300, 32, dtype)
    slot, _, end = causal([100, 60], first=190)
    begin = (end - window).clamp(min=0)
    check_attention(torch.randn(160, 4, 32).to(dtype), k, v, (slot, begin, end))


def test_encoder_and_arbitrary_ranges() -> None:
    torch.manual_seed(7)
    k, v = caches(3, 2, 150, 16, FLOAT)
    slot = ints(*[0] * 20, *[2] * 30)
    end = ints(*[20] * 20, *[30] * 30)
    check_attention(torch.randn(50, 2, 16), k, v, (slot, torch.zeros_like(slot), end))
    # Ranges that fall, nest, repeat and leave gaps, slots in any order.
    slot = torch.randint(0, 3, (80,)).sort().values.int()
    begin = torch.randint(0, 149, (80,)).int()
    end = (begin + 1 + (torch.rand(80) * (150 - begin - 1)).int()).int()
    check_attention(torch.randn(80, 4, 16), k, v, (slot, begin, end))


def test_strided_queries_and_no_tokens() -> None:
    torch.manual_seed(8)
    k, v = caches(1, 2, 40, 16, FLOAT)
    qkv = torch.randn(12, (4 + 2 + 2) * 16)
    check_attention(qkv[:, : 4 * 16].unflatten(1, (4, 16)), k, v, causal([12]))
    empty = torch.empty(0, dtype=torch.int32)
    out = OPS.cached_attention(torch.empty(0, 4, 16), k, v, empty, empty, empty, 1.0)
    assert out.shape == (0, 64)


@on_each_capability
def test_only_the_named_positions_are_read() -> None:
    torch.manual_seed(9)
    k, v = caches(2, 1, 200, 24, FLOAT)
    ranges = (ints(0, 0, 1, 1), ints(3, 70, 0, 130), ints(66, 71, 1, 200))
    q = torch.randn(4, 2, 24)
    truth = OPS.cached_attention(q, k, v, *ranges, 0.2)
    seen = torch.zeros(2, 200, dtype=torch.bool)
    for slot, begin, end in zip(*(r.tolist() for r in ranges), strict=True):
        seen[slot, begin:end] = True
    for cache in (k, v):
        cache.masked_fill_(~seen[:, None, :, None], float("nan"))
    torch.testing.assert_close(OPS.cached_attention(q, k, v, *ranges, 0.2), truth, rtol=0, atol=0)


@on_each_capability
def test_large_scores_do_not_overflow() -> None:
    k, v = caches(1, 1, 130, 16, FLOAT)
    q = torch.randn(130, 1, 16)
    ranges = causal([130])
    truth = reference.cached_attention(q, k * 300, v, *ranges, 1.0)
    torch.testing.assert_close(
        OPS.cached_attention(q, k * 300, v, *ranges, 1.0).double(), truth, rtol=1e-2, atol=1e-3
    )


@DTYPES
@pytest.mark.parametrize("heads", [(4, 4), (9, 3), (70, 1)])
@pytest.mark.parametrize("dim", [13, 64])
@on_each_capability
def test_bits_do_not_depend_on_the_batch(
    dtype: torch.dtype, heads: tuple[int, int], dim: int
) -> None:
    torch.manual_seed(10)
    k, v = caches(3, heads[1], 260, dim, dtype)
    slot, begin, end = causal([90, 1, 33], first=150)
    begin = torch.where(slot == 2, end - 100, begin)
    q = torch.randn(124, heads[0], dim).to(dtype)
    together = OPS.cached_attention(q, k, v, slot, begin, end, 0.125)
    alone = [
        OPS.cached_attention(
            q[t : t + 1], k, v, slot[t : t + 1], begin[t : t + 1], end[t : t + 1], 0.125
        )
        for t in range(124)
    ]
    assert torch.equal(together, torch.cat(alone))
    order = torch.randperm(124)
    shuffled = OPS.cached_attention(q[order], k, v, slot[order], begin[order], end[order], 0.125)
    assert torch.equal(together[order], shuffled)
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            again = OPS.cached_attention(q, k, v, slot, begin, end, 0.125)
            assert torch.equal(together, again)
    finally:
        torch.set_num_threads(threads)


@DTYPES
@pytest.mark.parametrize("shape", [(0, 2, 8), (3, 1, 2), (5, 9, 64), (4, 3, 34), (60, 8, 128)])
@on_each_capability
def test_rotary(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    torch.manual_seed(11)
    tokens, heads, dim = shape
    x = torch.randn(tokens, heads * dim + 5).to(dtype)[:, 5:].unflatten(1, (heads, dim))
    angle = torch.rand(tokens, dim // 2) * 6
    truth = reference.rotary(x, angle.cos(), angle.sin())
    plain = x.clone()
    composite(OPS.rotary_, plain, angle.cos(), angle.sin())
    OPS.rotary_(x, angle.cos(), angle.sin())
    assert_close(x, truth)
    assert_close(plain, truth)


@DTYPES
@on_each_capability
def test_write_kv(dtype: torch.dtype) -> None:
    torch.manual_seed(12)
    k_cache, v_cache = caches(3, 2, 50, 24, dtype)
    kv = torch.randn(40, 4, 24).to(dtype)
    k, v = kv[:, :2], kv[:, 2:]
    slot = torch.arange(40).remainder(3).int()
    position = torch.arange(40).int() + 7
    expected = [cache.clone() for cache in (k_cache, v_cache)]
    for t in range(40):
        expected[0][slot[t], :, position[t]] = k[t]
        expected[1][slot[t], :, position[t]] = v[t]
    plain = [cache.clone() for cache in (k_cache, v_cache)]
    composite(OPS.write_kv_, k, v, *plain, slot, position)
    OPS.write_kv_(k, v, k_cache, v_cache, slot, position)
    for got in ((k_cache, v_cache), plain):
        assert torch.equal(got[0], expected[0]) and torch.equal(got[1], expected[1])
    OPS.write_kv_(k[:0], v[:0], k_cache, v_cache, slot[:0], position[:0])
    assert torch.equal(k_cache, expected[0])


def test_opcheck() -> None:
    k, v = caches(2, 2, 10, 8, FLOAT)
    opcheck(OPS.cached_attention, torch.randn(3, 4, 8), k, v, *causal([2, 1]), 0.3)
    opcheck(OPS.rotary_, torch.randn(3, 4, 8), torch.randn(3, 4), torch.randn(3, 4))
    new = torch.randn(3, 2, 8)
    opcheck(OPS.write_kv_, new, new.clone(), k, v, ints(0, 0, 1), ints(4, 5, 6))


@pytest.mark.parametrize(
    ("index", "value", "error", "text"),
    [
        (0, torch.ones(3, 8), ValueError, r"x must be \[T, heads, D\]"),
        (0, torch.ones(3, 2, 7), ValueError, "head_dim must be even"),
        (0, torch.ones(3, 2, 8).half(), TypeError, "x must be float32 or bfloat16"),
        (0, torch.ones(3, 8, 2).mT, ValueError, "last dimension of x"),
        (1, torch.ones(3, 8), ValueError, r"cos must be \[T, D/2\] = \[3, 4\]"),
        (1, torch.ones(3, 4).bfloat16(), TypeError, "cos must be float32"),
        (2, torch.ones(2, 4), ValueError, r"sin must be \[T, D/2\] = \[3, 4\]"),
        (2, torch.ones(3, 4).bfloat16(), TypeError, "sin must be float32"),
    ],
)
def test_rotary_errors(index: int, value: Tensor, error: type[Exception], text: str) -> None:
    args = [torch.ones(3, 2, 8), torch.ones(3, 4), torch.ones(3, 4)]
    args[index] = value
    with pytest.raises(error, match=text):
        OPS.rotary_(*args)


@pytest.mark.parametrize(
    ("index", "value", "error", "text"),
    [
        (0, torch.ones(3, 2, 7), ValueError, r"k must be \[T, Hkv, D\] = \[any, 2, 8\]"),
        (0, torch.ones(3, 2, 8).bfloat16(), TypeError, "k must be float32"),
        (0, torch.ones(3, 8, 2).mT, ValueError, "last dimension of k"),
        (1, torch.ones(2, 2, 8), ValueError, r"v must be \[T, Hkv, D\] = \[3, 2, 8\]"),
        (1, torch.ones(3, 2, 8).bfloat16(), TypeError, "v must be float32"),
        (1, torch.ones(3, 8, 2).mT, ValueError, "last dimension of v"),
        (2, torch.ones(2, 10, 8), ValueError, r"k_cache must be \[slots, Hkv, capacity, D\]"),
        (2, torch.ones(2, 2, 10, 8).half(), TypeError, "k_cache must be float32 or bfloat16"),
        (
            2,
            torch.ones(2, 2, 8, 10).mT,
            ValueError,
            "caches? must be contiguous|must be contiguous",
        ),
        (3, torch.ones(2, 2, 11, 8), ValueError, "v_cache must be"),
        (3, torch.ones(2, 2, 10, 8).bfloat16(), TypeError, "v_cache must be float32"),
        (4, ints(0, 1), ValueError, r"slot must be \[T\] = \[3\]"),
        (4, torch.tensor([0, 0, 1]), TypeError, "slot must be int32, got int64"),
        (4, ints(0, 2, 1), ValueError, "slots = 2, got 2 for token 1"),
        (5, ints(4, 5), ValueError, "position must be"),
        (5, torch.tensor([4, 5, 6]), TypeError, "position must be int32"),
        (5, ints(4, 5, 10), ValueError, "capacity = 10, got 10 for token 2"),
        (5, ints(-1, 5, 6), ValueError, "got -1 for token 0"),
    ],
)
def test_write_kv_errors(index: int, value: Tensor, error: type[Exception], text: str) -> None:
    args = [torch.ones(3, 2, 8), torch.ones(3, 2, 8)]
    args += [torch.ones(2, 2, 10, 8), torch.ones(2, 2, 10, 8), ints(0, 0, 1), ints(4, 5, 6)]
    args[index] = value
    with pytest.raises(error, match=text):
        OPS.write_kv_(*args)


@pytest.mark.parametrize(
    ("index", "value", "error", "text"),
    [
        (0, torch.ones(3, 4, 7), ValueError, r"q must be \[T, Hq, D\] = \[any, any, 8\]"),
        (0, torch.ones(3, 4, 8).bfloat16(), TypeError, "q must be float32"),
        (0, torch.ones(3, 8, 4).mT, ValueError, "last dimension of q"),
        (
            0,
            torch.ones(3, 3, 8),
            ValueError,
            "must be a multiple of the cache's heads, got 3 and 2",
        ),
        (1, torch.ones(2, 2, 8, 10).mT, ValueError, "must be contiguous"),
        (2, torch.ones(2, 2, 11, 8), ValueError, "v_cache must be"),
        (3, ints(0, 1), ValueError, r"slot must be \[T\] = \[3\]"),
        (3, ints(0, 0, -1), ValueError, "got -1 for token 2"),
        (4, torch.zeros(3), TypeError, "key_begin must be int32, got float32"),
        (
            4,
            ints(0, 2, 0),
            ValueError,
            r"key_begin < key_end <= capacity = 10, got \[2, 2\) for token 1",
        ),
        (4, ints(-1, 0, 0), ValueError, r"got \[-1, 1\) for token 0"),
        (5, ints(1, 2, 11), ValueError, r"got \[0, 11\) for token 2"),
        (5, ints(1, 2), ValueError, r"end must be \[T\] = \[3\]"),
    ],
)
def test_attention_errors(index: int, value: Tensor, error: type[Exception], text: str) -> None:
    args = [torch.ones(3, 4, 8), torch.ones(2, 2, 10, 8), torch.ones(2, 2, 10, 8)]
    args += [ints(0, 0, 1), ints(0, 0, 0), ints(1, 2, 1)]
    args[index] = value
    with pytest.raises(error, match=text):
        OPS.cached_attention(*args, 1.0)
