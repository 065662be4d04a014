"""The whole loop, side by side in one run: a 21-point simplex, 16 prompts, 3 samples of 32 tokens
each, scored by three classifiers, with perplexity at every point and dist-n.

SmolLM2-135M's shape with ten r = 32 adapters on all seven projections, one RoBERTa-base's shape as
the classifier of three attributes, random weights. The peer is the best that PEFT and transformers
can do: one `cat` adapter merged a point, one padded batch with a KV cache, batches of texts of like
lengths. Each side runs in a process of its own, whose peak memory is reported. Before the clock
starts, both sides' logits, scores and perplexity at one point are compared.

    python benchmarks/bench_sweep.py [--dtype float32|bfloat16] [--points 21]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import common
import contlm
import numpy as np
import torch

PROMPTS, PROMPT_TOKENS, SAMPLES, NEW_TOKENS = 16, 32, 3, 32
TEXT_TOKENS, WINDOW, STRIDE = 2048, 1024, 512
THREE = common.ATTRIBUTES[:3]
VOCABULARY = 49152


def word_tokenizer(path: Path, roberta: bool) -> None:
    """One token a word, so that random weights write text of as many tokens as words."""
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


def make_world(directory: Path) -> None:
    from transformers import RobertaConfig, RobertaForSequenceClassification

    common.make_model(directory)
    word_tokenizer(directory / "base", roberta=False)
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, num_labels=2)
    RobertaForSequenceClassification(config).save_pretrained(directory / "classifier")
    word_tokenizer(directory / "classifier", roberta=True)


def prompt_ids() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(10, VOCABULARY, (PROMPTS, PROMPT_TOKENS))


def text_ids() -> list[int]:
    return np.random.default_rng(1).integers(10, VOCABULARY, TEXT_TOKENS).tolist()


def points(count: int) -> list[contlm.Point]:
    return list(contlm.grid.simplex(THREE, step=0.2))[:count]


class Ours:
    def __init__(self, directory: Path, dtype: torch.dtype) -> None:
        self.lm = contlm.Interpolator.from_pretrained(
            directory / "base", common.pairs(directory), dtype=dtype
        )
        self.classifier = contlm.Classifier.from_pretrained(directory / "classifier", dtype=dtype)
        self.text = self.lm.tokenizer.decode(text_ids())

    def check_values(self, point: contlm.Point, texts: list[str]) -> dict[str, Any]:
        return {
            # merged, as the loop will be: a packed bank would stay and count as the loop's memory
            "logits": self.lm.logits(prompt_ids()[:2], point=point, mode="merged")[
                :, -1, :50
            ].tolist(),
            "scores": self.classifier.score(texts).tolist(),
            "perplexity": self.lm.perplexity(self.text, point=point, **self.windows()),
        }

    @staticmethod
    def windows() -> dict[str, Any]:
        return {"max_length": WINDOW, "stride": STRIDE}

    def run(self, some: list[contlm.Point]) -> dict[str, Any]:
        prompts = self.lm.tokenizer.decode_batch(prompt_ids().tolist())
        start = time.perf_counter()
        sweep = self.lm.sweep(
            prompts,
            contlm.grid.custom(some),
            num_return_sequences=SAMPLES,
            max_new_tokens=NEW_TOKENS,
            metrics=("score", "perplexity", "dist"),
            classifiers=dict.fromkeys(THREE, self.classifier),
            perplexity_text=self.text,
            perplexity_options=self.windows(),
            eos_token_id=[],
            seed=0,
            progress=False,
        )
        seconds = time.perf_counter() - start
        assert len(sweep.frame) == len(some) * PROMPTS * SAMPLES
        assert (sweep.frame["new_tokens"] == NEW_TOKENS).all()
        return {"total": seconds, **sweep.seconds}


class Theirs:
    def __init__(self, directory: Path, dtype: torch.dtype) -> None:
        from bench_generate import Peft
        from transformers import PreTrainedTokenizerFast, RobertaForSequenceClassification

        self.peft = Peft(directory, dtype, "cpu")
        self.classifier = RobertaForSequenceClassification.from_pretrained(
            directory / "classifier", dtype=dtype
        ).eval()
        load = PreTrainedTokenizerFast
        self.tokenizer = load(tokenizer_file=str(directory / "base" / "tokenizer.json"))
        self.roberta_tokenizer = load(
            tokenizer_file=str(directory / "classifier" / "tokenizer.json"), pad_token="<pad>"
        )
        self.anchors = [f"{a}-{end}" for a in common.ATTRIBUTES for end in ("low", "high")]

    def stand_at(self, point: contlm.Point) -> None:
        from contlm.points.coefficients import coefficient_row

        row = coefficient_row(point, common.ATTRIBUTES)
        names = [n for n, c in zip(self.anchors, row, strict=True) if c != 0]
        self.peft.model.add_weighted_adapter(
            names, row[row != 0].tolist(), "point", combination_type="cat"
        )
        self.peft.model.set_adapter("point")
        self.peft.model.merge_adapter(["point"])

    def leave(self) -> None:
        self.peft.model.unmerge_adapter()
        self.peft.model.delete_adapter("point")

    @torch.inference_mode()
    def scores(self, texts: list[str]) -> np.ndarray:
        found = np.zeros(len(texts))
        for batch in np.array_split(np.argsort([len(t) for t in texts]), -(-len(texts) // 32)):
            inputs = self.roberta_tokenizer(
                [texts[i] for i in batch],
                padding=True,
                return_tensors="pt",
                return_token_type_ids=False,
            )
            logits = self.classifier(**inputs).logits
            found[batch] = torch.sigmoid(logits[:, 1].float()).numpy()
        return found

    def perplexity(self) -> float:
        return common.peer_perplexity(self.peft.model, text_ids(), WINDOW, STRIDE)

    @torch.inference_mode()
    def generate(self) -> list[str]:
        ids = torch.from_numpy(prompt_ids())
        out = self.peft.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=True,
            top_k=0,
            num_return_sequences=SAMPLES,
            pad_token_id=1,
        )
        return self.tokenizer.batch_decode(out[:, PROMPT_TOKENS:], skip_special_tokens=True)

    def check_values(self, point: contlm.Point, texts: list[str]) -> dict[str, Any]:
        self.stand_at(point)
        with torch.inference_mode():
            logits = self.peft.model(input_ids=torch.from_numpy(prompt_ids()[:2])).logits
        values = {
            "logits": logits[:, -1, :50].float().tolist(),
            "scores": self.scores(texts).tolist(),
            "perplexity": self.perplexity(),
        }
        self.leave()
        return values

    def run(self, some: list[contlm.Point]) -> dict[str, Any]:
        parts = dict.fromkeys(("merge", "generate", "score", "perplexity", "dist_n"), 0.0)
        start = last = time.perf_counter()

        def lap(part: str) -> None:
            nonlocal last
            now = time.perf_counter()
            parts[part] += now - last
            last = now

        for point in some:
            self.stand_at(point)
            lap("merge")
            texts = self.generate()
            lap("generate")
            for _ in THREE:
                self.scores(texts)
            lap("score")
            self.perplexity()
            lap("perplexity")
            for n in (1, 2, 3):
                common.peer_dist_n(texts, n, SAMPLES)
            lap("dist_n")
            self.leave()
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


def one_side(args: argparse.Namespace) -> None:
    """One side's process: values to compare, then the timed loop; JSON on stdout."""
    side = (Ours if args.side == "contlm" else Theirs)(args.world, getattr(torch, args.dtype))
    loaded = Memory.now_mib()
    some = points(args.points)
    rng = np.random.default_rng(2)
    texts = [" ".join(f"w{i}" for i in rng.integers(10, VOCABULARY, n)) for n in (1, 20, 60)]
    found = side.check_values(some[len(some) // 2], texts)
    memory = Memory()
    found |= {"seconds": side.run(some), "loaded_mib": loaded, "peak_mib": memory.peak_mib}
    print(json.dumps(found))


def run_side(side: str, world: Path, args: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", side, "--world", str(world)]
    command += ["--dtype", args.dtype, "--points", str(args.points)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def needed_flops(count: int) -> float:
    """Multiplications and additions that the loop needs at least, adapters left out: prompts once a
    point, every new token but the last fed back, and of a last layer only keys and values where no
    head reads the token."""
    layer, keys = 2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536, 2 * 576 * 192
    head = 576 * VOCABULARY

    def run(tokens: int, read: int) -> int:
        return tokens * (29 * layer + keys) + read * (layer - keys + head)

    rows = PROMPTS * SAMPLES
    steps = rows * (NEW_TOKENS - 1)
    windows = (TEXT_TOKENS - WINDOW) // STRIDE + 1
    roberta, roberta_keys = 4 * 768 * 768 + 2 * 768 * 3072, 2 * 768 * 768
    text = (NEW_TOKENS + 2) * (11 * roberta + roberta_keys) + roberta - roberta_keys
    needed = run(PROMPTS * PROMPT_TOKENS, PROMPTS) + run(steps, steps)
    needed += run(windows * WINDOW, TEXT_TOKENS) + len(THREE) * rows * text
    return 2.0 * count * needed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--points", type=int, default=21)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--side", choices=["contlm", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        one_side(args)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_world(Path(folder))
        ours = run_side("contlm", Path(folder), args)
        theirs = run_side("peer", Path(folder), args)
    exact = args.dtype == "float32"
    errors = {
        "logits": float(np.abs(np.subtract(ours.pop("logits"), theirs.pop("logits"))).max()),
        "scores": float(np.abs(np.subtract(ours.pop("scores"), theirs.pop("scores"))).max()),
        "perplexity": abs(ours["perplexity"] / theirs["perplexity"] - 1),
    }
    limits = (
        {"logits": 2e-4, "scores": 1e-4, "perplexity": 1e-3}
        if exact
        else {"logits": 0.5, "scores": 0.05, "perplexity": 0.05}
    )
    for what, error in errors.items():
        assert error < limits[what], f"{what} differ by {error}"
    peak = common.matrix_peak(getattr(torch, args.dtype))
    flops = needed_flops(args.points)
    total, peer_total = ours["seconds"]["total"], theirs["seconds"]["total"]
    result = {
        "dtype": args.dtype,
        "points": args.points,
        "errors": errors,
        "contlm": ours,
        "peer": theirs,
        "ratio": peer_total / total,
        "matrix_peak_gflops": peak,
        "needed_tflop": flops / 1e12,
        "share_of_matrix_peak": flops / total / 1e9 / peak,
        "peer_share_of_matrix_peak": flops / peer_total / 1e9 / peak,
    }
    print(json.dumps(result, indent=2))
    print(f"written to {common.write_result(f'sweep_{args.dtype}_cpu', result, args.out)}")


if __name__ == "__main__":
    main()
