"""Scoring, perplexity and dist-n against transformers and Python, side by side in one run.

Scoring: RoBERTa-base's shape with random weights, 256 texts of about 40 tokens. Perplexity:
SmolLM2-135M's shape, 4096 tokens in windows of 1024 every 512. dist-n: 3000 texts of 64 words.
Every figure is checked against the peer's before it is timed.

    python benchmarks/bench_metrics.py [--dtype float32|bfloat16] [--repeats 3]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import common
import contlm
import numpy as np
import torch
from contlm import zoo
from contlm.metrics import dist_n, self_bleu

TEXTS, WORDS_A_TEXT = 256, 28  # about 40 tokens each
TOKENS, WINDOW, STRIDE = 4096, 1024, 512
POINT = dict(alpha=dict.fromkeys(common.ATTRIBUTES, 0.7), lam=dict.fromkeys(common.ATTRIBUTES, 0.2))


def compare(ours: Any, theirs: Any, repeats: int, peer_repeats: int) -> dict[str, Any]:
    found = {"contlm": common.timed(ours, repeats), "peer": common.timed(theirs, peer_repeats, 1)}
    found["ratio"] = found["peer"]["median"] / found["contlm"]["median"]
    return found


def bench_scoring(dtype: torch.dtype, repeats: int) -> dict[str, Any]:
    from transformers import (
        PreTrainedTokenizerFast,
        RobertaConfig,
        RobertaForSequenceClassification,
    )

    words = zoo.heldout_text().split()
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(words) - 100, TEXTS)
    lengths = rng.integers(WORDS_A_TEXT - 12, WORDS_A_TEXT + 13, TEXTS)
    texts = [" ".join(words[s : s + n]) for s, n in zip(starts, lengths, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, num_labels=2)
        RobertaForSequenceClassification(config).save_pretrained(folder)
        shutil.copy(zoo.classifier_path("sentiment") / "tokenizer.json", folder)
        ours = contlm.Classifier.from_pretrained(folder, dtype=dtype)
        peer = RobertaForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=f"{folder}/tokenizer.json", pad_token="<pad>"
        )

        @torch.inference_mode()
        def theirs() -> np.ndarray:
            """Batches of 32 texts of like lengths: what transformers does best here."""
            scores = np.zeros(len(texts))
            for batch in np.array_split(np.argsort([len(t) for t in texts]), len(texts) // 32):
                inputs = tokenizer(
                    [texts[i] for i in batch],
                    padding=True,
                    return_tensors="pt",
                    return_token_type_ids=False,
                )
                scores[batch] = torch.sigmoid(peer(**inputs).logits[:, 1].float()).numpy()
            return scores

        tokens = sum(len(ids) for ids in tokenizer(texts)["input_ids"])
        error = float(np.abs(ours.score(texts) - theirs()).max())
        assert error < (1e-4 if dtype is torch.float32 else 2e-2), f"scores differ by {error}"
        found = compare(lambda: ours.score(texts), theirs, repeats, 1)
        if dtype is torch.bfloat16:
            peer.to(dtype)
            found["peer_bfloat16"] = common.timed(theirs, 1, 1)
    per_token = 12 * (4 * 768 * 768 + 2 * 768 * 3072)
    seconds = found["contlm"]["median"]
    return {
        **found,
        "texts": TEXTS,
        "tokens": tokens,
        "texts_per_s": TEXTS / seconds,
        "peer_texts_per_s": TEXTS / found["peer"]["median"],
        "score_error": error,
        "share_of_matrix_peak": 2e-9 * per_token * tokens / seconds / common.matrix_peak(dtype),
    }


def bench_perplexity(directory: Path, dtype: torch.dtype, repeats: int) -> dict[str, Any]:
    from transformers import AutoModelForCausalLM

    lm = contlm.Interpolator.from_pretrained(
        directory / "base", common.pairs(directory), dtype=dtype
    )
    peer = AutoModelForCausalLM.from_pretrained(directory / "base", dtype=dtype).eval()
    ids = np.random.default_rng(0).integers(3, 40000, TOKENS).tolist()

    def theirs() -> float:
        return common.peer_perplexity(peer, ids, WINDOW, STRIDE)

    options = dict(max_length=WINDOW, stride=STRIDE)
    error = abs(lm.perplexity(ids, **options) / theirs() - 1)
    assert error < (1e-3 if dtype is torch.float32 else 3e-2), f"perplexity differs by {error}"
    found = compare(lambda: lm.perplexity(ids, **options), theirs, repeats, 1)
    found["at a point, all ten anchors"] = common.timed(
        lambda: lm.perplexity(ids, **options, **POINT), repeats
    )
    return {**found, "tokens": TOKENS, "relative_error": error}


def bench_dist_n(repeats: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    vocabulary = [f"w{i}" for i in range(20000)]
    texts = [" ".join(rng.choice(vocabulary, 64).tolist()) for _ in range(3000)]
    index = np.repeat(np.arange(1000), 3).tolist()

    def theirs() -> list[float]:
        return [common.peer_dist_n(texts, n, 3) for n in (1, 2, 3)]

    def ours() -> list[float]:
        return [dist_n(texts, n, prompt_index=index) for n in (1, 2, 3)]

    assert np.allclose(ours(), theirs(), rtol=1e-12)
    found = compare(ours, theirs, 5 * repeats, repeats)
    found["self_bleu"] = common.timed(lambda: self_bleu(texts, prompt_index=index), repeats)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    dtype = getattr(torch, args.dtype)
    result: dict[str, Any] = {"dtype": args.dtype, "matrix_peak_gflops": common.matrix_peak(dtype)}
    result["dist_n"] = bench_dist_n(args.repeats)
    result["scoring"] = bench_scoring(dtype, args.repeats)
    with tempfile.TemporaryDirectory() as folder:
        common.make_model(Path(folder))
        result["perplexity"] = bench_perplexity(Path(folder), dtype, args.repeats)
    for name in ("dist_n", "scoring", "perplexity"):
        found = result[name]
        print(
            f"{name:12} contlm {found['contlm']['median']:8.4f} s   peer "
            f"{found['peer']['median']:8.4f} s   {found['ratio']:.1f}x"
        )
    print(f"written to {common.write_result(f'metrics_{args.dtype}_cpu', result, args.out)}")


if __name__ == "__main__":
    main()
