"""The whole loop, both sides by turns in one run: points of a simplex of three attributes, prompts
of 32 tokens, 3 samples of 32 tokens each, scored by three classifiers, with perplexity at every
point and dist-n.

SmolLM2-135M's shape with ten r = 32 adapters on all seven projections, one RoBERTa-base's shape as
the classifier of three attributes, random weights. Each side runs in a process of its own, which
waits while the other works and whose peak memory is reported. First both sides' greedy tokens,
scores and perplexity at a point are compared, and both warm up there with two prompts. Then every
round gives both the same points, new to either, with new prompts and a new text.

    python benchmarks/bench_sweep.py [--dtype float32|bfloat16] [--points 21] [--prompts 16]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import contlm
import numpy as np
import torch
from common import peers, work
from common.bounds import Bound
from common.models import (
    ATTRIBUTES,
    LAYERS,
    RANK,
    coefficients,
    make_classifier,
    make_model,
    pairs,
    roberta_config,
    shape,
    smollm_config,
)
from common.results import figure, print_figures, write_result
from common.timing import paired_ratio

PROMPT_TOKENS, SAMPLES, NEW_TOKENS = 32, 3, 32
TEXT_TOKENS, WINDOW, STRIDE = 2048, 1024, 512
THREE = ATTRIBUTES[:3]
VOCABULARY = 49152
PARTS = ("generate", "score", "perplexity")


class Given(NamedTuple):
    """What a round gives to both sides; lam: a row of three numbers for each point."""

    lam: list[list[float]]
    prompts: list[list[int]]
    text: list[int]

    def points(self) -> list[contlm.Point]:
        return [
            contlm.Point(alpha=dict.fromkeys(THREE, 1.0), lam=dict(zip(THREE, lam, strict=True)))
            for lam in self.lam
        ]


def word_tokenizer(path: Path, roberta: bool) -> None:
    """One token per word, so that random weights write text of as many tokens as words."""
    import tokenizers

    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = {word: i for i, word in enumerate(specials)}
    vocabulary |= {f"w{i}": i for i in range(len(specials), VOCABULARY)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    if roberta:
        tokenizer.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
        tokenizer.add_special_tokens(specials)
    tokenizer.save(str(path / "tokenizer.json"))


def make_world(directory: Path, layers: int) -> None:
    make_model(directory, layers)
    word_tokenizer(directory / "base", roberta=False)
    make_classifier(directory / "classifier", layers)
    word_tokenizer(directory / "classifier", roberta=True)


class Ours:
    """lm.sweep."""

    def __init__(self, directory: Path, dtype: torch.dtype) -> None:
        self.lm = contlm.Interpolator.from_pretrained(
            directory / "base", pairs(directory), dtype=dtype
        )
        self.classifier = contlm.Classifier.from_pretrained(directory / "classifier", dtype=dtype)
        self.windows: dict[str, Any] = {"max_length": WINDOW, "stride": STRIDE}

    def check_values(self, given: Given, texts: list[str]) -> dict[str, Any]:
        # merged, as the loop will be: a packed bank would stay and count as the loop's memory
        where: dict[str, Any] = {"point": given.points()[0], "mode": "merged"}
        greedy = self.lm.generate(
            given.prompts, max_new_tokens=8, do_sample=False, eos_token_id=[], **where
        )
        return {
            "logits": self.lm.logits(given.prompts, **where)[:, -1, :50].tolist(),
            "tokens": greedy.token_ids,
            "scores": self.classifier.score(texts).tolist(),
            "perplexity": self.lm.perplexity(given.text, point=where["point"], **self.windows),
        }

    def run(self, given: Given) -> dict[str, float]:
        decode = self.lm.tokenizer.decode
        prompts, text = [decode(ids) for ids in given.prompts], decode(given.text)
        start = time.perf_counter()
        sweep = self.lm.sweep(
            prompts,
            contlm.grid.custom(given.points()),
            num_return_sequences=SAMPLES,
            max_new_tokens=NEW_TOKENS,
            metrics=("score", "perplexity", "dist"),
            classifiers=dict.fromkeys(THREE, self.classifier),
            perplexity_text=text,
            perplexity_options=self.windows,
            eos_token_id=[],
            seed=0,
            progress=False,
        )
        seconds = time.perf_counter() - start
        assert len(sweep.frame) == len(given.lam) * len(prompts) * SAMPLES
        assert (sweep.frame["new_tokens"] == NEW_TOKENS).all()
        return {"total": seconds, **sweep.seconds}


class Theirs:
    """One `cat` adapter merged per point (merge_adapter, unmerge_adapter), all prompts and samples
    in one batch, dist-n with Python's sets."""

    def __init__(self, directory: Path, dtype: torch.dtype) -> None:
        from transformers import PreTrainedTokenizerFast, RobertaForSequenceClassification

        self.peft = peers.Peft(directory, dtype)
        self.classifier = RobertaForSequenceClassification.from_pretrained(
            directory / "classifier", dtype=dtype
        ).eval()
        load = PreTrainedTokenizerFast
        self.tokenizer = load(tokenizer_file=str(directory / "base" / "tokenizer.json"))
        self.roberta_tokenizer = load(
            tokenizer_file=str(directory / "classifier" / "tokenizer.json"), pad_token="<pad>"
        )

    @contextlib.contextmanager
    def standing_at(self, point: contlm.Point) -> Iterator[None]:
        self.peft.combine(point)
        self.peft.model.merge_adapter(["point"])
        yield
        self.peft.model.unmerge_adapter()
        self.peft.model.delete_adapter("point")

    def scores(self, texts: list[str]) -> np.ndarray:
        return peers.scores(self.classifier, self.roberta_tokenizer, texts)

    def perplexity(self, text: list[int]) -> float:
        return peers.perplexity(self.peft.model, text, WINDOW, STRIDE)

    def check_values(self, given: Given, texts: list[str]) -> dict[str, Any]:
        with self.standing_at(given.points()[0]):
            prompts = torch.tensor(given.prompts)
            return {
                "logits": self.peft.logits(given.prompts)[:, -1, :50].tolist(),
                "tokens": self.peft.generate(prompts, 8, do_sample=False).tolist(),
                "scores": self.scores(texts).tolist(),
                "perplexity": self.perplexity(given.text),
            }

    def run(self, given: Given) -> dict[str, float]:
        parts = dict.fromkeys(("merge", *PARTS, "dist_n"), 0.0)
        start = last = time.perf_counter()

        def lap(part: str) -> None:
            nonlocal last
            now = time.perf_counter()
            parts[part] += now - last
            last = now

        prompts = torch.tensor(given.prompts)
        for point in given.points():
            with self.standing_at(point):
                lap("merge")
                ids = self.peft.generate(prompts, NEW_TOKENS, num_return_sequences=SAMPLES)
                texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
                lap("generate")
                for _ in THREE:
                    self.scores(texts)
                lap("score")
                self.perplexity(given.text)
                lap("perplexity")
                for n in (1, 2, 3):
                    peers.dist_n(texts, n, SAMPLES)
                lap("dist_n")
            lap("merge")
        return {"total": time.perf_counter() - start, **parts}


class Memory:
    """This process's anonymous memory, sampled: what the kernel cannot drop. Pages of a mapped
    checkpoint, which it can, are left out."""

    def __init__(self) -> None:
        self.peak_mib = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    @staticmethod
    def now_mib() -> float:
        with open("/proc/self/status", encoding="utf-8") as file:
            kib = next(line.split()[1] for line in file if line.startswith("RssAnon"))
        return int(kib) / 1024

    def _watch(self) -> None:
        while True:
            self.peak_mib = max(self.peak_mib, self.now_mib())
            time.sleep(0.05)


def serve(args: argparse.Namespace) -> None:
    """One side's process: a question per line of stdin, [method, arguments] of the side, answered
    by a line of stdout."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    side = (Ours if args.side == "contlm" else Theirs)(args.world, getattr(torch, args.dtype))
    loaded = Memory.now_mib()
    memory = None
    for line in sys.stdin:
        method, given, *others = json.loads(line)
        found = getattr(side, method)(Given(*given), *others)
        # What the check holds for a moment is not the loop's.
        memory = memory or Memory()
        found["memory_mib"] = {"loaded": loaded, "peak": memory.peak_mib}
        print(json.dumps(found), file=answers, flush=True)


class Side:
    """The other end of `serve`."""

    def __init__(self, name: str, world: Path, dtype: str) -> None:
        self._name = name
        command = [sys.executable, __file__, "--side", name, "--world", str(world)]
        self._process = subprocess.Popen(
            [*command, "--dtype", dtype], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, method: str, *given: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([method, *given]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._name}: its process ended with {self._process.wait()}")
        return dict(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def inputs(args: argparse.Namespace) -> tuple[Given, list[Given]]:
    """One to check and warm up with, and one for each round, whose points are of a simplex of
    step 0.2 in an order drawn once."""
    rng = np.random.default_rng(0)
    simplex = [
        [coefficients(point).get(f"{a}-high", 0.0) for a in THREE]
        for point in contlm.grid.simplex(THREE)
    ]
    drawn = rng.permutation(simplex)[: args.points].tolist()
    each = args.points // args.rounds

    def given(lam: list[list[float]]) -> Given:
        prompts = rng.integers(10, VOCABULARY, (args.prompts, PROMPT_TOKENS)).tolist()
        return Given(lam, prompts, rng.integers(10, VOCABULARY, TEXT_TOKENS).tolist())

    first = given([[0.5, 0.3, 0.2]])
    return first, [given(drawn[at : at + each]) for at in range(0, args.points, each)]


def few(given: Given) -> Given:
    return given._replace(prompts=given.prompts[:2])


def check(ours: Side, theirs: Side, first: Given, dtype: str) -> dict[str, float]:
    rng = np.random.default_rng(2)
    texts = [" ".join(f"w{i}" for i in rng.integers(10, VOCABULARY, n)) for n in (1, 20, 60)]
    own, peer = (side.ask("check_values", few(first), texts) for side in (ours, theirs))
    errors = {
        "logits": float(np.abs(np.subtract(own["logits"], peer["logits"])).max()),
        "scores": float(np.abs(np.subtract(own["scores"], peer["scores"])).max()),
        "perplexity": abs(own["perplexity"] / peer["perplexity"] - 1),
        "other greedy tokens": float(np.mean(np.not_equal(own["tokens"], peer["tokens"]))),
    }
    limits = dict(zip(errors, (2e-4, 1e-4, 1e-3, 0.0), strict=True))
    if dtype != "float32":
        # Rounding alone decides some tokens, and all that come after them.
        limits = dict(zip(errors, (0.1, 0.02, 0.03, 1.0), strict=True))
    for what, error in errors.items():
        assert error <= limits[what], f"{what}: differ by {error}"
    return errors


def transformers(layers: int) -> tuple[work.Transformer, work.Transformer]:
    return work.decoder(smollm_config(layers)), work.classifier(roberta_config(layers))


def needed(
    models: tuple[work.Transformer, work.Transformer], points: int, prompts: int, itemsize: int
) -> dict[str, list[work.Pass]]:
    """Of each part, of points that are merged: one anchor takes part at least, as in a corner."""
    model, judge = models
    length = NEW_TOKENS + 2  # with <s> and </s>
    generate = work.generation(model, prompts, PROMPT_TOKENS, NEW_TOKENS, itemsize, samples=SAMPLES)
    parts = {
        "merge": [model.merge(RANK, itemsize)],
        "generate": generate,
        "score": work.scoring(judge, [length] * (len(THREE) * prompts * SAMPLES), itemsize),
        "perplexity": work.perplexity(model, TEXT_TOKENS, WINDOW, STRIDE, itemsize),
    }
    return {part: passes * points for part, passes in parts.items()}


def run(world: Path, args: argparse.Namespace) -> dict[str, Any]:
    dtype = getattr(torch, args.dtype)
    models = transformers(args.layers)
    bounds = [Bound(model, dtype) for model in models]
    sides = {name: Side(name, world, args.dtype) for name in ("contlm", "peer")}
    first, rounds = inputs(args)
    errors = check(sides["contlm"], sides["peer"], first, args.dtype)
    for side in sides.values():
        side.ask("run", few(first))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for given in rounds:
        for name, side in sides.items():
            found[name].append(side.ask("run", given))
        for bound in bounds:
            bound.sample()
    for side in sides.values():
        side.close()
    each = args.points // args.rounds
    least = {
        part: (bounds[1] if part == "score" else bounds[0]).seconds(passes)
        for part, passes in needed(models, each, args.prompts, dtype.itemsize).items()
    }
    return {
        "checks": errors,
        "sweep": {
            "figures": {
                name: {
                    **figure([a["total"] for a in answers], sum(least.values()), points=each),
                    "parts": {
                        part: figure([a[part] for a in answers], least.get(part))
                        for part in answers[0]
                        if part not in ("total", "memory_mib")
                    },
                    "memory_mib": answers[-1]["memory_mib"],
                }
                for name, answers in found.items()
            },
            "ratios": {
                part: paired_ratio(*([a[part] for a in found[n]] for n in ("peer", "contlm")))
                for part in ("total", *PARTS)
            },
        },
        "bound": {"decoder": bounds[0].report(), "classifier": bounds[1].report()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--points", type=int, default=21, help="of the 21 of the simplex")
    parser.add_argument("--rounds", type=int, default=3, help="must divide the points")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--layers", type=int, default=LAYERS, help="fewer show only that it works")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--side", choices=["contlm", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        serve(args)
        return
    if not 0 < args.points <= 21 or args.points % args.rounds:
        parser.error(
            f"points: must be 1 to 21 and a multiple of rounds, got {args.points} and {args.rounds}"
        )
    with tempfile.TemporaryDirectory() as folder:
        make_world(Path(folder), args.layers)
        found = run(Path(folder), args)
    result = {
        "setting": {
            "shape": f"{shape(args.layers)}; RoBERTa-base's, random weights",
            "dtype": args.dtype,
            "points": args.points,
            "rounds": args.rounds,
            "warmups": 1,
            "prompts": args.prompts,
            "prompt_tokens": PROMPT_TOKENS,
            "samples": SAMPLES,
            "new_tokens": NEW_TOKENS,
            "classifiers": len(THREE),
            "perplexity_tokens": TEXT_TOKENS,
        },
        "peer_code": peers.description(
            peers.Peft, peers.Peft.combine, Theirs, peers.scores, peers.perplexity
        ),
        **found,
    }
    print_figures(result)
    print(f"written to {write_result(f'sweep_{args.dtype}_cpu', result, args.out)}")


if __name__ == "__main__":
    main()
