"""The units that a sweep is split into: each is one generate call, and all or nothing.

The split depends on the configuration alone, never on what is finished already or on who computes
it: that is what makes a resumed sweep, and one on many machines, equal to an unbroken one bit for
bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

# fewer rows than this leave the engine's 128 slots half empty too often
MIN_ROWS = 256
# more are lost when a process dies, and a point needs no more to be merged once
MAX_ROWS = 512


@dataclass(frozen=True)
class Unit:
    """Some prompts at some points, generated in one call; indices into the sweep's.

    measured: the points whose own perplexity this unit computes.
    """

    index: int
    points: tuple[int, ...]
    prompts: tuple[int, ...]
    measured: tuple[int, ...]

    def rows(self, samples: int) -> int:
        return len(self.points) * len(self.prompts) * samples


def split_into_units(
    points: Sequence[Hashable],
    prompts: Sequence[Hashable],
    samples: int,
    min_rows: int = MIN_ROWS,
    max_rows: int = MAX_ROWS,
) -> list[Unit]:
    """Units of consecutive points until one has `min_rows` rows; a point of more than `max_rows` is
    split into blocks of prompts.

    points: a key for each, equal where the coefficients are; such points never share a unit, and
    equal prompts always share a block, because the engine's random numbers depend on how often a
    prompt occurred before at a point within a call.
    """
    blocks = _blocks(prompts, samples, max_rows)
    if len(blocks) > 1:
        return [
            Unit(p * len(blocks) + b, (p,), block, (p,) if b == 0 else ())
            for p in range(len(points))
            for b, block in enumerate(blocks)
        ]
    units: list[Unit] = []
    for group in _groups(points, len(prompts) * samples, min_rows):
        units.append(Unit(len(units), group, blocks[0], group))
    return units


def _blocks(prompts: Sequence[Hashable], samples: int, max_rows: int) -> list[tuple[int, ...]]:
    """Blocks of prompts of about equal size, none above `max_rows` rows unless one prompt is."""
    same: dict[Hashable, list[int]] = {}
    for i, prompt in enumerate(prompts):
        same.setdefault(prompt, []).append(i)
    count = -(-len(prompts) * samples // max_rows)
    size = max(1, min(max_rows // samples, -(-len(prompts) // count)))
    blocks: list[list[int]] = [[]]
    for members in same.values():
        if blocks[-1] and len(blocks[-1]) + len(members) > size:
            blocks.append([])
        blocks[-1] += members
    return [tuple(sorted(block)) for block in blocks]


def _groups(points: Sequence[Hashable], rows: int, min_rows: int) -> list[tuple[int, ...]]:
    groups: list[list[int]] = [[]]
    for i, key in enumerate(points):
        together = groups[-1]
        taken = {points[j] for j in together}
        if together and (len(together) * rows >= min_rows or key in taken):
            groups.append([])
        groups[-1].append(i)
    return [tuple(group) for group in groups]
