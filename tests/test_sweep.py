"""lm.sweep: its tables equal what direct calls give, and its mistakes are said before any work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import contlm
import numpy as np
import pandas as pd
import pytest
from contlm import Classifier, Point, Sweep, grid, metrics, zoo
from sweep_support import LINE, PROMPTS, same, small

TEXT = "The fox met the dog by the river. How do you do? said the owner. " * 4


@pytest.fixture(scope="module")
def classifiers() -> dict[str, Classifier]:
    return {
        name: Classifier.from_pretrained(zoo.classifier_path(name), threads=1)
        for name in ("sentiment", "humor")
    }


@pytest.fixture(scope="module")
def swept(text_lm: contlm.Interpolator, classifiers: dict[str, Classifier]) -> Sweep:
    return text_lm.sweep(
        PROMPTS,
        LINE,
        num_return_sequences=2,
        max_new_tokens=6,
        metrics=("score", "perplexity", "base_perplexity", "dist", "self_bleu", "length"),
        classifiers=classifiers,
        perplexity_text=TEXT,
        perplexity_options={"stride": 16, "max_length": 32},
        judge=text_lm,
        temperature=0.9,
        stop_strings="z",
        progress=False,
    )


def test_columns(swept: Sweep) -> None:
    assert list(swept.frame) == [
        "point", "alpha_tone", "lam_tone", "prompt_index", "sample", "prompt", "text",
        "new_tokens", "finish_reason", "score_sentiment", "score_humor", "conditional_perplexity",
        "base_perplexity",
    ]  # fmt: skip
    assert list(swept.summary) == [
        "point", "alpha_tone", "lam_tone", "texts", "score_sentiment", "score_sentiment_sem",
        "score_humor", "score_humor_sem", "perplexity", "base_perplexity", "dist_1", "dist_2",
        "dist_3", "self_bleu", "length", "conditional_perplexity", "tokens_per_s",
    ]  # fmt: skip
    assert len(swept.frame) == 5 * 4 * 2 == len(swept) and len(swept.summary) == 5
    assert swept.complete and swept.points == list(LINE) and swept.grid == LINE
    order = ["point", "prompt_index", "sample"]
    assert swept.frame.equals(swept.frame.sort_values(order, ignore_index=True))
    assert (swept.summary["tokens_per_s"] > 0).all()
    assert set(swept.seconds) == {"generate", "score", "base_perplexity", "perplexity"}
    assert all(seconds > 0 for seconds in swept.seconds.values())


def read(out: contlm.Generation) -> list[list[int]]:
    """The ids that were drawn, less the end-of-sequence token."""
    rows = zip(out.token_ids, out.finish_reasons, strict=True)
    return [ids[:-1] if reason == "eos" else ids for ids, reason in rows]


def test_rows_are_what_direct_calls_give(
    swept: Sweep, text_lm: contlm.Interpolator, classifiers: dict[str, Classifier]
) -> None:
    for index, point in enumerate(LINE):
        out = text_lm.generate(
            PROMPTS, point=point, num_return_sequences=2, max_new_tokens=6, seed=0,
            temperature=0.9, stop_strings="z",
        )  # fmt: skip
        rows = swept.frame[swept.frame["point"] == index]
        assert rows["text"].tolist() == out.texts
        assert rows["prompt"].tolist() == [PROMPTS[i] for i in out.prompt_index]
        assert rows["new_tokens"].tolist() == [len(ids) for ids in out.token_ids]
        assert rows["finish_reason"].tolist() == out.finish_reasons
        assert set(rows["alpha_tone"]) == {point.alpha["tone"]}  # type: ignore[index]
        score = classifiers["humor"].score(out.texts)
        np.testing.assert_allclose(rows["score_humor"], score, atol=1e-6)
        judged = text_lm.conditional_perplexity(rows["prompt"].tolist(), out.texts)
        np.testing.assert_allclose(rows["conditional_perplexity"], judged, rtol=1e-5)
        given = [text_lm.tokenizer.encode(PROMPTS[i]) for i in out.prompt_index]
        drawn = text_lm.conditional_perplexity(given, read(out))
        np.testing.assert_allclose(rows["base_perplexity"], drawn, rtol=1e-5)


def test_the_summary_is_made_of_the_rows(swept: Sweep, text_lm: contlm.Interpolator) -> None:
    for index, point in enumerate(LINE):
        rows = swept.frame[swept.frame["point"] == index]
        line = swept.summary.iloc[index]
        assert line["texts"] == 8 and line["point"] == index
        assert line["score_humor"] == pytest.approx(rows["score_humor"].mean())
        means = [rows[rows["prompt_index"] == i]["score_humor"].mean() for i in range(4)]
        assert line["score_humor_sem"] == pytest.approx(np.std(means, ddof=1) / 2)
        for n in (1, 2, 3):
            assert line[f"dist_{n}"] == metrics.dist_n(
                rows["text"].tolist(), n, "prompt", rows["prompt_index"].tolist()
            )
        assert line["self_bleu"] == metrics.self_bleu(
            rows["text"].tolist(), prompt_index=rows["prompt_index"].tolist()
        )
        assert line["length"] == np.mean([len(text.split(" ")) for text in rows["text"]])
        assert line["perplexity"] == text_lm.perplexity(TEXT, point=point, stride=16, max_length=32)


def test_base_perplexity_is_that_of_a_plain_loop(
    text_lm: contlm.Interpolator, text_base: Path
) -> None:
    """transformers, one text at a time: prompt and new tokens, mean NLL of the new ones."""
    import torch
    import transformers

    # ends some rows at once, some later: an empty text, and texts of different lengths
    points, asked = [Point(), Point({"tone": 2.5})], {"num_return_sequences": 6, "seed": 3}
    plain = text_lm.generate(PROMPTS, point=points[0], max_new_tokens=8, **asked)
    asked["eos_token_id"] = [row[0] for row in plain.token_ids[:1]] + [plain.token_ids[1][3]]
    swept = text_lm.sweep(PROMPTS, points, max_new_tokens=8, progress=False, **asked)
    model = transformers.AutoModelForCausalLM.from_pretrained(text_base, dtype=torch.float32)
    for at, point in enumerate(points):
        out = text_lm.generate(PROMPTS, point=point, max_new_tokens=8, **asked)
        losses, means = [], []
        for prompt_index, new in zip(out.prompt_index, read(out), strict=True):
            prompt = text_lm.tokenizer.encode(PROMPTS[prompt_index])
            with torch.no_grad():
                logits = model(torch.tensor([prompt + new])).logits[0]
            nll = torch.nn.functional.cross_entropy(
                logits[len(prompt) - 1 : -1], torch.tensor(new, dtype=torch.int64), reduction="none"
            )
            losses += nll.tolist()
            means.append(nll.mean().item())  # NaN without any
        rows = swept.frame[swept.frame["point"] == at]
        assert at == 1 or rows["base_perplexity"].isna().any()
        np.testing.assert_allclose(rows["base_perplexity"], np.exp(means), rtol=1e-3)
        whole = swept.summary["base_perplexity"][at]
        assert whole == pytest.approx(np.exp(np.mean(losses)), rel=1e-3)


def test_base_perplexity_of_empty_texts_alone_is_nan(text_lm: contlm.Interpolator) -> None:
    every = list(range(text_lm.engine.vocab_size))
    swept = text_lm.sweep(PROMPTS, [Point()], eos_token_id=every, progress=False)
    assert (swept.frame["text"] == "").all() and (swept.frame["new_tokens"] == 1).all()
    assert swept.frame["base_perplexity"].isna().all()
    assert swept.summary["base_perplexity"].isna().all()


def test_equal_prompts_and_equal_points_draw_what_one_call_would(
    text_lm: contlm.Interpolator,
) -> None:
    """The second "The fox" is another occurrence; a point given twice gives the same twice."""
    twice = text_lm.sweep(
        PROMPTS, [Point({"tone": 0.5}), Point({"tone": 0.5})], max_new_tokens=8, progress=False
    )
    texts = twice.frame.groupby(["point", "prompt_index"])["text"].agg(list)
    assert texts[0].tolist() == texts[1].tolist()
    assert texts[0, 0] != texts[0, 3]


def test_blocks_of_prompts_give_what_one_call_would(text_lm: contlm.Interpolator) -> None:
    """600 rows per point are two units; prompts far apart that are equal stay one another's
    occurrence."""
    prompts = [f"The fox {i % 250}" for i in range(300)]
    cut = text_lm.sweep(
        prompts, [Point({"tone": 0.3})], num_return_sequences=2, max_new_tokens=2, progress=False
    )
    assert cut.manifest["units"] == 2
    whole = text_lm.generate(
        prompts, alpha={"tone": 0.3}, num_return_sequences=2, max_new_tokens=2, seed=0
    )
    assert cut.frame["prompt_index"].tolist() == whole.prompt_index
    assert cut.frame["text"].tolist() == whole.texts


def test_metrics_are_those_that_can_be(
    text_lm: contlm.Interpolator, classifiers: dict[str, Classifier]
) -> None:
    at = {"prompts": ["The fox"], "points": [Point()], "num_return_sequences": 2}
    bare = small(text_lm, **at)
    dist = ["dist_1", "dist_2", "dist_3"]
    assert list(bare.summary) == ["point", "texts", "base_perplexity", *dist, "tokens_per_s"]
    assert bare.manifest["metrics"] == ["base_perplexity", "dist"]
    scored = small(text_lm, **at, metrics="score", classifiers=classifiers)
    assert "score_humor_sem" in scored.summary and "dist_1" not in scored.summary
    assert scored.summary["score_humor_sem"].isna().all()  # one prompt has no spread
    nothing = small(text_lm, **at, metrics=())
    assert list(nothing.summary) == ["point", "texts", "tokens_per_s"]
    assert "base_perplexity" not in nothing.frame


def test_points_name_the_attributes_of_the_columns(tmp_path: Path) -> None:
    lm = zoo.load(threads=1)
    points = grid.entangle([("humor", "sentiment"), ("formality", "humor")], alphas=[0.5])
    frame = lm.sweep(["One"], points, max_new_tokens=2, progress=False).frame
    names = ["formality", "sentiment", "humor"]  # the order of lm.attributes
    wanted = [*(f"alpha_{n}" for n in names), *(f"lam_{n}" for n in names)]
    assert list(frame)[1:7] == wanted
    assert frame["lam_sentiment"].tolist() == [0.5] * 3 + [0.0] * 3
    assert frame["alpha_sentiment"].isna().tolist() == [False] * 3 + [True] * 3


def test_token_ids_are_prompts_too(text_lm: contlm.Interpolator) -> None:
    ids = [text_lm.tokenizer.encode(prompt) for prompt in PROMPTS]
    by_text = small(text_lm, num_return_sequences=2)
    by_ids = small(text_lm, num_return_sequences=2, prompts=ids)
    same(by_text, by_ids)
    assert by_ids.manifest["prompts"] == ids
    same(by_text, small(text_lm, num_return_sequences=2, prompts=tuple(PROMPTS)))


def test_the_manifest_says_how_to_do_it_again(swept: Sweep, text_lm: contlm.Interpolator) -> None:
    manifest = swept.manifest
    assert manifest == json.loads(json.dumps(manifest))
    assert manifest["versions"]["contlm"] == contlm.__version__ and manifest["seed"] == 0
    assert manifest["sampling"]["temperature"] == 0.9
    assert manifest["sampling"]["stop_strings"] == ["z"]
    assert manifest["perplexity"]["protocol"] == "paper"
    assert set(manifest["model"]["anchors"]) == {"tone.low", "tone.high"}
    digests = [a["sha256"] for a in manifest["model"]["anchors"].values()]
    assert len(set(digests)) == 2 and all(len(d) == 64 for d in digests)
    assert set(manifest["classifiers"]) == {"sentiment", "humor"}
    assert manifest["machine"]["threads"] >= 1
    assert text_lm.fingerprint is text_lm.fingerprint


def test_no_seed_draws_one_that_the_manifest_keeps(text_lm: contlm.Interpolator) -> None:
    drawn = small(text_lm, num_return_sequences=1, seed=None)
    same(drawn, small(text_lm, num_return_sequences=1, seed=drawn.manifest["seed"]))


def test_save_and_load(swept: Sweep, tmp_path: Path) -> None:
    swept.save(tmp_path / "deep" / "kept")
    loaded = Sweep.load(tmp_path / "deep" / "kept")
    same(swept, loaded)
    pd.testing.assert_frame_equal(swept.summary, loaded.summary, check_exact=True)
    assert loaded.manifest == swept.manifest and loaded.complete
    assert loaded.grid == swept.grid and loaded.points == swept.points
    whole = pd.read_parquet(tmp_path / "deep" / "kept" / "units")
    assert len(whole) == len(swept)
    with pytest.raises(FileExistsError, match="must be new or an empty folder"):
        swept.save(tmp_path / "deep" / "kept")
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["kept"]


def test_to_csv_and_reprs(swept: Sweep, tmp_path: Path) -> None:
    swept.to_csv(tmp_path / "table.csv")
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(swept)
    assert repr(swept).startswith("Sweep(line, 5 points, 4 prompts, 40 texts, perplexity by prot")
    page = swept._repr_html_()
    assert "<table" in page and "score_humor_sem" in page


def test_progress_counts_tokens(
    text_lm: contlm.Interpolator, capsys: pytest.CaptureFixture[str]
) -> None:
    small(text_lm, progress=True)
    shown = capsys.readouterr().err
    assert "sweeping: 100%" in shown and "unit 5 of 5" in shown and "tok/s" in shown


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"metrics": ("score",)}, ValueError, "'score' needs classifiers="),
    ({"metrics": ("perplexity",)}, ValueError, "'perplexity' needs perplexity_text="),
    ({"metrics": ("bleu",)}, ValueError, "metrics: must be among score, perplexity, base_"),
    ({"metrics": ("dist",), "perplexity_text": "x y"}, ValueError, "leaves out 'perplexity'"),
    ({"perplexity_options": {"stride": 3}}, ValueError, "perplexity_options: are for"),
    (
        {"perplexity_text": "a b", "perplexity_options": {"window": 3}},
        TypeError,
        "unknown argument 'window', did you mean max_length. known: max_length, stride, protocol",
    ),
    ({"classifiers": {"tone": 3}}, TypeError, r"classifiers\['tone'\]: must be a contlm.Classif"),
    ({"classifiers": [3]}, TypeError, "classifiers: must be a dict"),
    (
        {"metrics": ("self_bleu",), "num_return_sequences": 1},
        ValueError,
        "'self_bleu' compares the texts of a prompt",
    ),
    ({"judge": "gpt2"}, TypeError, "judge: must be a contlm.Interpolator"),
    ({"topk": 3}, TypeError, r"sweep: unknown argument 'topk', did you mean top_k\? known: "),
    ({"n": 3}, TypeError, "did you mean num_return_sequences"),
    ({"clasifiers": {}}, TypeError, "did you mean classifiers"),
    ({"point": Point()}, TypeError, "unknown argument 'point', did you mean points"),
    ({"rainbow": 3}, TypeError, "unknown argument 'rainbow'; known: prompts, points, num_return"),
    ({"points": Point()}, TypeError, "points: must be a Grid or a list of Points"),
    ({"points": []}, ValueError, "at least one Point"),
    ({"points": [Point({"mood": 1})]}, ValueError, "unknown attribute 'mood'; known: tone"),
    ({"prompts": []}, ValueError, "prompts: must hold at least one prompt"),
    ({"prompts": 3}, TypeError, "prompts: must be"),
    ({"num_return_sequences": 0}, ValueError, "num_return_sequences: must be at least 1"),
    ({"max_new_tokens": 0}, ValueError, "max_new_tokens: must be at least 1"),
    ({"max_new_tokens": 2.5}, TypeError, "max_new_tokens: must be an int"),
    ({"seed": -1}, ValueError, "seed: must be in"),
    ({"executor": "dask"}, ValueError, "executor: must be None or among ray, got 'dask'"),
    ({"executor": {"workers": 2}}, ValueError, "executor: must be None or among ray"),
    ({"executor": 3}, TypeError, "executor: must be None"),
    ({"temperature": -1.0}, ValueError, "temperature"),
    ({"max_new_tokens": 10**6}, ValueError, "must fit the context"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=[m[:40] for _, _, m in BAD])
def test_mistakes(
    text_lm: contlm.Interpolator, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        small(text_lm, **options)


def test_a_model_without_a_tokenizer_is_refused(llama: Any) -> None:
    with pytest.raises(ValueError, match="the model has no tokenizer"):
        llama.lm().sweep([[1, 2]], [Point()])


# -- Ctrl-C ---------------------------------------------------------------------------------------

INTERRUPTED = """
    import sys, time, warnings
    import contlm
    from contlm import grid, zoo
    from contlm.sweep.store import MemoryStore

    put = MemoryStore.put

    def say_ready(self, unit, table):
        put(self, unit, table)
        if unit == 0:
            print("ready", flush=True)

    MemoryStore.put = say_ready
    lm = zoo.load(threads=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sweep = lm.sweep(
            list(zoo.prompts())[:8], grid.line("sentiment", 0, 100, 0.1), max_new_tokens=40,
            num_return_sequences=32, out=sys.argv[1] or None, progress=False,
        )
    ended = time.time()
    assert not sweep.complete
    assert len(sweep.summary) == len(set(sweep.frame["point"])) if len(sweep) else True
    print(ended, len(sweep), str(caught[-1].message), sep="|")
"""


@pytest.mark.parametrize("keep", [True, False])
def test_ctrl_c_returns_what_is_finished_within_a_second(tmp_path: Path, keep: bool) -> None:
    out = str(tmp_path / "out") if keep else ""
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        sent = time.time()
        child.send_signal(signal.SIGINT)
        said, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 0, err
    ended, rows, warning = said.strip().split("|")
    assert float(ended) - sent < 1.0
    assert "of 1001 units finished" in warning
    if keep:
        assert f"out={out!r} goes on from there" in warning
        kept = Sweep.load(out)
        assert len(kept) == int(rows) > 0 and not kept.complete
    else:
        assert "give out=" in warning and int(rows) > 0
