"""Scoring, perplexity and dist-n against transformers and Python, in turn in one run.

Scoring: RoBERTa-base's shape with random weights, texts of about 40 tokens. Perplexity:
SmolLM2-135M's shape, windows of 1024 tokens every 512. dist-n: 3000 texts of 64 words. Every figure
is checked against the peer's before it is timed, both sides compute in the same dtype, and every
call has new texts.

    python benchmarks/bench_metrics.py [--dtype float32|bfloat16] [--texts 128] [--tokens 2048]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import contlm
import numpy as np
import torch
from common import peers, work
from common.bounds import Bound
from common.models import (
    ATTRIBUTES,
    LAYERS,
    RANK,
    make_classifier,
    make_model,
    pairs,
    random_points,
    roberta_config,
    shape,
    smollm_config,
)
from common.results import compared, print_figures, write_result
from common.timing import in_turn
from contlm import zoo
from contlm.metrics import dist_n

WORDS = (16, 41)  # a text's, which makes about 40 tokens
WINDOW, STRIDE = 1024, 512
DIST_TEXTS, DIST_WORDS, DIST_SAMPLES = 3000, 64, 3
RATIO = [("peer", "contlm")]


def bench_scoring(args: argparse.Namespace) -> dict[str, Any]:
    from transformers import PreTrainedTokenizerFast, RobertaForSequenceClassification

    dtype = getattr(torch, args.dtype)
    words = zoo.heldout_text().split()
    rng = np.random.default_rng(0)
    tokens: list[list[int]] = []
    with tempfile.TemporaryDirectory() as folder:
        make_classifier(Path(folder), args.layers)
        shutil.copy(zoo.classifier_path("sentiment") / "tokenizer.json", folder)
        ours = contlm.Classifier.from_pretrained(folder, dtype=dtype)
        peer = RobertaForSequenceClassification.from_pretrained(folder, dtype=dtype).eval()
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=f"{folder}/tokenizer.json", pad_token="<pad>"
        )

        def texts(number: int) -> list[str]:
            starts = rng.integers(0, len(words) - WORDS[1], args.texts)
            found = [
                " ".join(words[s : s + n])
                for s, n in zip(starts, rng.integers(*WORDS, args.texts), strict=True)
            ]
            if number >= 0:
                tokens.append([len(ids) for ids in tokenizer(found)["input_ids"]])
            return found

        some = texts(-1)[:32]
        error = float(np.abs(ours.score(some) - peers.scores(peer, tokenizer, some)).max())
        assert error < (1e-4 if dtype is torch.float32 else 2e-2), f"scores differ by {error}"
        model = work.classifier(roberta_config(args.layers))
        bound = Bound(model, dtype)
        sides: dict[str, Any] = {
            "contlm": lambda some: partial(ours.score, some),
            "peer": lambda some: partial(peers.scores, peer, tokenizer, some),
        }
        seconds = in_turn(sides, texts, args.rounds, after=bound.sample)
    middle = sorted(tokens, key=sum)[len(tokens) // 2]
    passes = dict.fromkeys(sides, work.scoring(model, middle, dtype.itemsize))
    return {
        "peer_code": peers.description(peers.scores),
        "checks": {"scores": error},
        "texts": args.texts,
        "tokens": sum(middle),
        **compared(seconds, passes, bound, RATIO, texts=args.texts),
        "bound": bound.report(),
    }


def bench_perplexity(directory: Path, args: argparse.Namespace) -> dict[str, Any]:
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, args.dtype)
    lm = contlm.Interpolator.from_pretrained(directory / "base", pairs(directory), dtype=dtype)
    peer = AutoModelForCausalLM.from_pretrained(directory / "base", dtype=dtype).eval()
    options: dict[str, Any] = dict(max_length=WINDOW, stride=STRIDE)
    rng = np.random.default_rng(0)

    def ids(number: int) -> list[int]:
        return rng.integers(3, 40000, args.tokens).tolist()

    some = ids(-1)[: WINDOW + STRIDE]
    wanted = peers.perplexity(peer, some, WINDOW, STRIDE)
    error = abs(lm.perplexity(some, **options) / wanted - 1)
    assert error < (1e-3 if dtype is torch.float32 else 3e-2), f"perplexity differs by {error}"
    model = work.decoder(smollm_config(args.layers))
    bound = Bound(model, dtype)
    point = partial(random_points, 1, rng)
    sides: dict[str, Any] = {
        "contlm": lambda ids: partial(lm.perplexity, ids, **options),
        "peer": lambda ids: partial(peers.perplexity, peer, ids, WINDOW, STRIDE),
        "contlm, another point at every call": lambda ids: partial(
            lm.perplexity, ids, point=point()[0], **options
        ),
    }
    seconds = in_turn(sides, ids, args.rounds, after=bound.sample)
    passes = work.perplexity(model, args.tokens, WINDOW, STRIDE, dtype.itemsize)
    merge = model.merge(2 * len(ATTRIBUTES) * RANK, dtype.itemsize)
    needed = dict.fromkeys(("contlm", "peer"), passes)
    needed["contlm, another point at every call"] = [merge, *passes]
    return {
        "peer_code": peers.description(peers.perplexity),
        "checks": {"perplexity": error},
        "tokens": args.tokens,
        "window": WINDOW,
        "stride": STRIDE,
        **compared(seconds, needed, bound, RATIO, tokens=args.tokens),
        "bound": bound.report(),
    }


def bench_dist_n(args: argparse.Namespace) -> dict[str, Any]:
    """Strings alone: no bound of products or reads says what it needs."""
    rng = np.random.default_rng(0)
    index = np.repeat(np.arange(DIST_TEXTS // DIST_SAMPLES), DIST_SAMPLES).tolist()

    def texts(number: int) -> list[str]:
        words = rng.integers(0, 20000, (DIST_TEXTS, DIST_WORDS)).tolist()
        return [" ".join(f"w{word}" for word in text) for text in words]

    def theirs(texts: list[str]) -> list[float]:
        return [peers.dist_n(texts, n, DIST_SAMPLES) for n in (1, 2, 3)]

    def ours(texts: list[str]) -> list[float]:
        return [dist_n(texts, n, prompt_index=index) for n in (1, 2, 3)]

    some = texts(-1)
    assert np.allclose(ours(some), theirs(some), rtol=1e-12)
    sides: dict[str, Any] = {
        "contlm": lambda texts: partial(ours, texts),
        "peer": lambda texts: partial(theirs, texts),
    }
    seconds = in_turn(sides, texts, 5 * args.rounds)
    return {
        "peer_code": peers.description(peers.dist_n),
        "texts": DIST_TEXTS,
        "words": DIST_WORDS,
        **compared(seconds, {}, None, RATIO),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=128, help="texts to score in a round")
    parser.add_argument("--tokens", type=int, default=2048, help="tokens whose perplexity is taken")
    parser.add_argument("--layers", type=int, default=LAYERS, help="fewer show only that it works")
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    result: dict[str, Any] = {
        "setting": {
            "shape": f"RoBERTa-base (scoring), {shape(args.layers)} (perplexity)",
            "dtype": args.dtype,
            "rounds": args.rounds,
            "warmups": 1,
        },
        "dist_n": bench_dist_n(args),
        "scoring": bench_scoring(args),
    }
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), args.layers)
        result["perplexity"] = bench_perplexity(Path(folder), args)
    print_figures(result)
    print(f"written to {write_result(f'metrics_{args.dtype}_cpu', result, args.out)}")


if __name__ == "__main__":
    main()
