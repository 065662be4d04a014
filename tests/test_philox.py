from __future__ import annotations

import random

import pytest
import reference
from contlm._native import _testing

FULL = 0xFFFFFFFF

# Known-answer vectors of Random123 (tests/kat_vectors, philox4x32 10).
KNOWN = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([FULL] * 4, [FULL] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: list[int], key: list[int], answer: list[int]) -> None:
    assert _testing.philox_4x32_10(counter, key) == answer
    assert reference.philox_4x32_10(counter, key) == answer


def test_uniform() -> None:
    numbers = random.Random(0)
    for _ in range(200):
        seed, row_key, step = (numbers.getrandbits(64) for _ in range(3))
        words = reference.philox_4x32_10(
            [row_key & FULL, row_key >> 32, step & FULL, step >> 32], [seed & FULL, seed >> 32]
        )
        expected = ((words[0] << 32 | words[1]) >> 11) * 2.0**-53
        assert _testing.philox_uniform(seed, row_key, step) == expected
        assert 0.0 <= expected < 1.0
