"""Opening, retargeting and generating against PEFT, in turn in one run.

SmolLM2-135M's shape with random weights, ten r = 32 adapters on all seven projections, prompts of
32 tokens, 32 new tokens. Before anything is timed, both sides' logits and greedy tokens are
compared. Every call has new prompts and, where it moves, a new point. tokens/s count prefill and
decode together.

    python benchmarks/bench_generate.py [--dtype float32|bfloat16] [--rows 3 64] [--device cpu|cuda]
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import contlm
import numpy as np
import torch
from common import work
from common.bounds import Bound
from common.models import (
    ATTRIBUTES,
    LAYERS,
    POINT,
    RANK,
    make_model,
    pairs,
    random_points,
    shape,
    simplex_points,
    smollm_config,
)
from common.peers import Peft, description
from common.results import compared, print_figures, write_result
from common.timing import Seconds, alternated, in_turn

PROMPT_TOKENS = NEW_TOKENS = 32
WARMUP_TOKENS = 4
CHECK_TOKENS = 8
ALL_RANKS = 2 * len(ATTRIBUTES) * RANK


class Given(NamedTuple):
    ids: list[list[int]]
    points: list[contlm.Point]
    simplex: list[contlm.Point]
    new_tokens: int


class Ours:
    """The sides of contlm, each prepared as its peer is."""

    def __init__(self, lm: contlm.Interpolator) -> None:
        self.lm = lm

    def sides(self) -> dict[str, Any]:
        return {
            "contlm, one point": self.merged,
            "contlm, one point, not merged": lambda g: self.call(g, point=POINT, mode="bank"),
            "contlm, another point at every call": lambda g: self.call(g, point=g.points[0]),
            "contlm, each row at its own point": lambda g: self.call(g, point=g.points),
            "contlm, each row at its own point of a simplex": lambda g: self.call(
                g, point=g.simplex
            ),
        }

    def merged(self, given: Given) -> Any:
        """Merged before the clock starts, since other sides have moved the weights elsewhere."""
        self.lm.generate(given.ids[:1], point=POINT, mode="merged", max_new_tokens=1)
        return self.call(given, point=POINT, mode="merged")

    def call(self, given: Given, **where: Any) -> Any:
        options: dict[str, Any] = dict(max_new_tokens=given.new_tokens, eos_token_id=[], seed=0)
        return partial(self.lm.generate, given.ids, **where, **options)


class Theirs:
    """PEFT three times: as its ten adapters, as one `cat` adapter, and merged."""

    def __init__(self, directory: Path, dtype: torch.dtype, device: str) -> None:
        self.active = Peft(directory, dtype, device).retarget(POINT)
        self.cat = Peft(directory, dtype, device).combine(POINT)
        self.merged = Peft(directory, dtype, device).combine(POINT).merge()

    def sides(self) -> dict[str, Any]:
        return {
            "PEFT, merged": lambda g: self.call(self.merged, g),
            "PEFT, one cat adapter": lambda g: self.call(self.cat, g),
            "PEFT, ten adapters active": lambda g: self.call(self.active.retarget(g.points[0]), g),
        }

    @staticmethod
    def call(peft: Peft, given: Given) -> Any:
        return partial(peft.generate, torch.tensor(given.ids, device=peft.device), given.new_tokens)


RATIOS = [
    ("PEFT, merged", "contlm, one point"),
    ("PEFT, one cat adapter", "contlm, one point, not merged"),
    ("PEFT, ten adapters active", "contlm, another point at every call"),
    ("PEFT, ten adapters active", "contlm, each row at its own point"),
]


def check(ours: contlm.Interpolator, theirs: Theirs, dtype: torch.dtype) -> dict[str, float]:
    """The largest difference of logits at POINT from PEFT with ten adapters active, of every other
    way to stand there, and the share of greedy tokens that are its own, at POINT and with rows at
    two points. float32 must be equal; bfloat16 has tokens that rounding alone decides."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 40000, (2, PROMPT_TOKENS)).tolist()
    truth = theirs.active.logits(ids)
    limit = 2e-4 if dtype is torch.float32 else 0.1
    found: dict[str, float] = {}
    for name, logits in {
        "contlm, bank": ours.logits(ids, point=POINT, mode="bank"),
        "contlm, merged": ours.logits(ids, point=POINT, mode="merged"),
        "PEFT, one cat adapter": theirs.cat.logits(ids),
        "PEFT, merged": theirs.merged.logits(ids),
    }.items():
        found[f"logits, {name}"] = error = (logits.cpu() - truth).abs().max().item()
        assert error < limit, f"{name}: logits differ by {error} from PEFT's"
    two = [POINT, random_points(1, rng)[0]]
    rows = torch.tensor(ids, device=theirs.active.device).split(1)
    wanted = [
        theirs.active.retarget(point).generate(row, CHECK_TOKENS, do_sample=False)[0].tolist()
        for row, point in zip(rows, two, strict=True)
    ]
    greedy: dict[str, Any] = dict(max_new_tokens=CHECK_TOKENS, do_sample=False, eos_token_id=[])
    got = ours.generate(ids, point=two, **greedy).token_ids
    got_merged = ours.generate(ids[:1], point=POINT, mode="merged", **greedy).token_ids
    for name, tokens, of in [("points", got, wanted), ("merged", got_merged, wanted[:1])]:
        share = float(np.mean(np.equal(tokens, of)))
        assert share == 1 or dtype is not torch.float32, f"{name}: greedy {tokens}, PEFT's {of}"
        found[f"equal greedy tokens, {name}"] = share
    theirs.active.retarget(POINT)
    return found


def needed(
    model: work.Transformer, rows: int, dtype: torch.dtype, bound: Bound
) -> dict[str, list[work.Pass]]:
    """Of each side. Whoever merges does it before the clock starts, but where every call is at
    another point: there the bound is the cheaper of merging and of factors beside the products."""
    size = dtype.itemsize

    def passes(rank: int = 0) -> list[work.Pass]:
        return work.generation(model, rows, PROMPT_TOKENS, NEW_TOKENS, size, rank=rank)

    banked = passes(ALL_RANKS)
    moved = min(banked, [model.merge(ALL_RANKS, size), *passes()], key=bound.seconds)
    return {
        "contlm, one point": passes(),
        "contlm, one point, not merged": banked,
        "contlm, another point at every call": moved,
        "contlm, each row at its own point": banked,
        "contlm, each row at its own point of a simplex": passes(3 * RANK),
        "PEFT, merged": passes(),
        "PEFT, one cat adapter": banked,
        "PEFT, ten adapters active": moved,
    }


def time_rows(rows: int, sides: dict[str, Any], bound: Bound, args: argparse.Namespace) -> Seconds:
    rng = np.random.default_rng(rows)

    def given(number: int) -> Given:
        ids = rng.integers(3, 40000, (rows, PROMPT_TOKENS)).tolist()
        points, simplex = random_points(rows, rng), simplex_points(rows, rng)
        return Given(ids, points, simplex, NEW_TOKENS if number >= 0 else WARMUP_TOKENS)

    return in_turn(sides, given, args.rounds, args.warmups, after=bound.sample)


def bench_open(directory: Path, args: argparse.Namespace) -> dict[str, Any]:
    """From files to a first token at a point, the base and ten adapters included."""
    dtype = getattr(torch, args.dtype)

    def ours(ids: list[list[int]]) -> Any:
        def call() -> None:
            open_contlm(directory, args).generate(ids, point=POINT, max_new_tokens=1)

        return call

    def theirs(ids: list[list[int]]) -> Any:
        def call() -> None:
            peft = Peft(directory, dtype, args.device).retarget(POINT)
            peft.generate(torch.tensor(ids, device=args.device), 1)

        return call

    rng = np.random.default_rng(1)
    sides = {"contlm": ours} | ({} if args.no_peer else {"PEFT": theirs})
    seconds = in_turn(sides, lambda _: rng.integers(3, 40000, (1, 4)).tolist(), args.rounds)
    return compared(seconds, {}, None, [("PEFT", "contlm")])


def bench_retarget(ours: contlm.Interpolator, theirs: Theirs | None) -> dict[str, Any]:
    rng = np.random.default_rng(2)

    def move(point: contlm.Point) -> Any:
        return partial(ours.coefficients, alpha=point.alpha, lam=point.lam)

    sides: dict[str, Any] = {"contlm": move}
    if theirs is not None:
        sides["PEFT"] = lambda point: partial(theirs.active.retarget, point)
    seconds = in_turn(sides, lambda _: random_points(1, rng)[0], 100)
    return compared(seconds, {}, None, [("PEFT", "contlm")])


def open_contlm(directory: Path, args: argparse.Namespace) -> contlm.Interpolator:
    return contlm.Interpolator.from_pretrained(
        directory / "base", pairs(directory), dtype=args.dtype, device=args.device
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, nargs="+", default=[3, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warmups", type=int, default=1, help=f"of {WARMUP_TOKENS} new tokens")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--layers", type=int, default=LAYERS, help="fewer show only that it works")
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    dtype = getattr(torch, args.dtype)

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        make_model(directory, args.layers)
        result: dict[str, Any] = {
            "setting": {
                "shape": shape(args.layers),
                "dtype": args.dtype,
                "device": args.device,
                "prompt_tokens": PROMPT_TOKENS,
                "new_tokens": NEW_TOKENS,
                "rounds": args.rounds,
                "warmups": args.warmups,
                "warmup_tokens": WARMUP_TOKENS,
            },
            "peer_code": description(Peft, Peft.retarget, Peft.combine, Peft.merge),
            "open": bench_open(directory, args),
        }
        lm = open_contlm(directory, args)
        theirs = None if args.no_peer else Theirs(directory, dtype, args.device)
        result["checks"] = check(lm, theirs, dtype) if theirs else {}
        result["retarget"] = bench_retarget(lm, theirs)
        sides = alternated(Ours(lm).sides(), theirs.sides() if theirs else {})
        model = work.decoder(smollm_config(args.layers))
        bound = Bound(model, dtype, args.device)
        seconds = {rows: time_rows(rows, sides, bound, args) for rows in args.rows}
    result["generate"] = {
        str(rows): compared(
            found, needed(model, rows, dtype, bound), bound, RATIOS, tokens=rows * NEW_TOKENS
        )
        for rows, found in seconds.items()
    }
    result["bound"] = bound.report()
    print_figures(result)
    name = f"generate_{args.dtype}_{args.device}"
    print(f"written to {write_result(name, result, args.out)}")


if __name__ == "__main__":
    main()
