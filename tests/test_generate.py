"""generate: sampling, endings, schedules, streams, seeds, batching, threads, interrupts and
mistakes."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import contlm
import numpy as np
import pytest
import torch
from conftest import Case, byte_level_tokenizer
from contlm import Point
from contlm._native import GenerateOptions
from tiny_models import VOCAB

POINT = Point({"tone": 0.6, "wit": 0.2})
PROMPT = [[3, 14, 15, 92]]


def continue_with(lm: contlm.Interpolator, **options: Any) -> contlm.Generation:
    defaults: dict[str, Any] = {"point": POINT, "max_new_tokens": 16, "eos_token_id": [], "seed": 0}
    return lm.generate(options.pop("prompts", PROMPT), **{**defaults, **options})


# -- sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-4}]
)
def test_the_narrowest_sampling_is_greedy(llama: Case, options: dict[str, Any]) -> None:
    greedy = continue_with(llama.lm(), do_sample=False)
    assert continue_with(llama.lm(), **options).token_ids == greedy.token_ids
    assert continue_with(llama.lm()).token_ids != greedy.token_ids


def next_probabilities(llama: Case, temperature: float = 1.0) -> torch.Tensor:
    logits = llama.oracle.logits(PROMPT[0], llama.lm().coefficients(point=POINT))[-1]
    return torch.softmax(logits.double() / temperature, 0)


def allowed_tokens(llama: Case, options: dict[str, Any]) -> set[int]:
    """What transformers' own warpers leave of the first new token."""
    from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    warper = {
        "top_k": lambda v: TopKLogitsWarper(v),
        "top_p": lambda v: TopPLogitsWarper(v),
        "min_p": lambda v: MinPLogitsWarper(v),
    }
    scores = next_probabilities(llama, options.get("temperature", 1.0)).log()[None]
    for name, value in options.items():
        if name != "temperature":
            scores = warper[name](value)(torch.tensor(PROMPT), scores)
    return set(scores[0].isfinite().nonzero()[:, 0].tolist())


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 5},
        {"top_p": 0.6},
        {"min_p": 0.2},
        {"top_k": 12, "top_p": 0.7},
        {"temperature": 2.0, "top_p": 0.3},
        {"temperature": 0.7, "min_p": 0.1},
    ],
)
def test_samples_keep_to_what_transformers_allows(llama: Case, options: dict[str, Any]) -> None:
    """Every token that the warpers leave is likely enough to be seen, and no other is."""
    allowed = allowed_tokens(llama, options)
    out = continue_with(llama.lm(), max_new_tokens=1, num_return_sequences=1500, **options)
    seen = {row[0] for row in out.token_ids}
    assert 1 < len(allowed) < VOCAB
    assert seen <= allowed
    probabilities = next_probabilities(llama, options.get("temperature", 1.0))
    share = probabilities / probabilities[sorted(allowed)].sum()
    assert {t for t in allowed if share[t] > 0.01} <= seen


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_sampled_frequencies_are_the_probabilities(llama: Case, temperature: float) -> None:
    """Pearson's chi-square of 4000 draws, tokens of fewer than 5 expected draws pooled."""
    draws = 4000
    out = continue_with(
        llama.lm(), max_new_tokens=1, num_return_sequences=draws, temperature=temperature
    )
    counts = np.bincount([row[0] for row in out.token_ids], minlength=VOCAB)
    expected = next_probabilities(llama, temperature).numpy() * draws
    rare = expected < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum())
    freedom = len(wanted) - 1
    assert freedom > 5
    chi_square = float(((observed - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum())
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


def test_repetition_penalty_is_transformers(llama: Case) -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    lm, processor = llama.lm(), RepetitionPenaltyLogitsProcessor(1.8)
    ids, coefficients = list(PROMPT[0]), lm.coefficients(point=POINT)
    expected = []
    for _ in range(24):
        scores = processor(torch.tensor([ids]), llama.oracle.logits(ids, coefficients)[-1:])
        expected.append(int(scores.argmax()))
        ids.append(expected[-1])
    found = continue_with(lm, do_sample=False, repetition_penalty=1.8, max_new_tokens=24)
    assert found.token_ids[0] == expected
    assert found.token_ids != continue_with(lm, do_sample=False, max_new_tokens=24).token_ids


def test_seeds(llama: Case) -> None:
    lm = llama.lm()
    first, second = continue_with(lm, seed=1), continue_with(lm, seed=2)
    assert first.token_ids != second.token_ids
    assert first.stats["seed"] == 1
    drawn = [continue_with(lm, seed=None) for _ in range(2)]
    assert drawn[0].stats["seed"] != drawn[1].stats["seed"]
    assert drawn[0].token_ids != drawn[1].token_ids
    assert continue_with(lm, seed=drawn[0].stats["seed"]).token_ids == drawn[0].token_ids


# -- endings --------------------------------------------------------------------------------------


def test_eos_ends_a_row_and_stays_in_its_ids(text_lm: contlm.Interpolator) -> None:
    free = text_lm.generate("The dog", alpha=0.5, seed=0, max_new_tokens=20, eos_token_id=[])
    tokens = free.token_ids[0]
    eos = tokens[6]
    cut = tokens[: tokens.index(eos) + 1]
    for given in (eos, [eos], [319, eos], np.int64(eos)):
        out = text_lm.generate("The dog", alpha=0.5, seed=0, max_new_tokens=20, eos_token_id=given)
        if not (isinstance(given, list) and 319 in tokens):
            assert out.token_ids[0] == cut
        assert out.finish_reasons == ["eos"]
        assert out.texts[0] == text_lm.tokenizer.decode(out.token_ids[0][:-1])


def test_the_models_own_eos(llama: Case, tmp_path: Path) -> None:
    """generation_config.json first, then config.json; a list may end a row by any of its ids."""
    import json
    import shutil

    tokens = continue_with(llama.lm(), coeffs=np.zeros(4), point=None).token_ids[0]
    shutil.copytree(llama.base, tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["eos_token_id"] = tokens[8]
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    (tmp_path / "m" / "generation_config.json").unlink(missing_ok=True)

    def run() -> list[int]:
        lm = contlm.Interpolator.from_pretrained(tmp_path / "m", {})
        return lm.generate(PROMPT, max_new_tokens=16, seed=0).token_ids[0]

    assert run() == tokens[: tokens.index(tokens[8]) + 1]
    generation = {"eos_token_id": [tokens[3], tokens[5]]}
    (tmp_path / "m" / "generation_config.json").write_text(json.dumps(generation))
    end = min(tokens.index(tokens[3]), tokens.index(tokens[5]))
    assert run() == tokens[: end + 1]


def test_stop_strings_end_at_the_first_token_that_completes_one(
    text_lm: contlm.Interpolator,
) -> None:
    def run(**options: Any) -> contlm.Generation:
        return text_lm.generate(
            "One morning", alpha=0.2, seed=5, max_new_tokens=40, eos_token_id=[], **options
        )

    free = run()
    text, tokens = free.texts[0], free.token_ids[0]
    clean = [i for i in range(3, len(text) - 2) if "�" not in text[i : i + 2]]
    stop = text[clean[len(clean) // 2] :][:2]
    out = run(stop_strings=stop)
    # text up to the stop string's end, found by decoding ever longer prefixes
    first = next(n for n in range(1, 41) if stop in text_lm.tokenizer.decode(tokens[:n]))
    assert out.token_ids[0] == tokens[:first]
    assert out.finish_reasons == ["stop"] and stop in out.texts[0]
    assert run(stop_strings=["no such thing", stop]).token_ids[0] == tokens[:first]
    assert run(stop_strings=["no such thing"]).token_ids[0] == tokens


def test_rows_of_a_batch_end_on_their_own(text_lm: contlm.Interpolator) -> None:
    prompts = ["The", "One morning", "a"]
    free = text_lm.generate(prompts, alpha=[0, 0.5, 1], seed=3, max_new_tokens=24, eos_token_id=[])
    eos = free.token_ids[1][4]
    out = text_lm.generate(prompts, alpha=[0, 0.5, 1], seed=3, max_new_tokens=24, eos_token_id=eos)
    for long, short, reason in zip(free.token_ids, out.token_ids, out.finish_reasons, strict=True):
        end = long.index(eos) + 1 if eos in long else 24
        assert short == long[:end]
        assert reason == ("eos" if eos in long else "length")


# -- schedules ------------------------------------------------------------------------------------

STEPS = 12


def ramp() -> np.ndarray:
    lm_rows = [
        [0.5 * (1 - a), 0.5 * a, 0.5 * a, 0.5 * (1 - a)] for a in np.linspace(-0.5, 1.5, STEPS)
    ]
    return np.array(lm_rows)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_schedules_match_peft_retargeted_every_step(case: Callable[..., Case], family: str) -> None:
    tiny = case(family)
    lm, schedule = tiny.lm(), ramp()
    prompts = [[3, 14, 15, 92], [6, 5]]

    def run(given: Any) -> list[list[int]]:
        return lm.generate(
            prompts, schedule=given, max_new_tokens=STEPS, do_sample=False, eos_token_id=[]
        ).token_ids

    expected = [tiny.oracle.greedy(prompt, schedule, STEPS)[0] for prompt in prompts]
    constant = [tiny.oracle.greedy(prompt, schedule[0], STEPS)[0] for prompt in prompts]
    assert expected != constant
    assert run(schedule) == expected
    assert run(np.concatenate([schedule, np.zeros((3, 4))])) == expected
    assert run(np.stack([schedule, schedule])) == expected
    alphas = np.linspace(-0.5, 1.5, STEPS)
    assert run(lambda step: Point({"tone": alphas[step], "wit": 1 - alphas[step]})) == expected
    each = np.stack([schedule, np.broadcast_to(schedule[0], schedule.shape)])
    assert run(each) == [expected[0], constant[1]]


def test_a_constant_schedule_is_its_point(llama: Case) -> None:
    constant = continue_with(llama.lm(), point=None, schedule=lambda _: POINT)
    assert constant.token_ids == continue_with(llama.lm(), mode="bank").token_ids
    assert constant.points == [None]


# -- streams --------------------------------------------------------------------------------------


class Collector:
    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.pieces = 0
        self.ended = 0

    def put(self, row: int, text: str) -> None:
        assert text
        self.texts[row] = self.texts.get(row, "") + text
        self.pieces += 1

    def end(self) -> None:
        self.ended += 1


def test_streamed_pieces_add_up_to_the_texts(text_lm: contlm.Interpolator) -> None:
    collector = Collector()
    options: dict[str, Any] = {"alpha": 0.5, "seed": 2, "num_return_sequences": 3}
    out = text_lm.generate(["The fox", "naïve"], streamer=collector, **options)
    assert [collector.texts.get(row, "") for row in range(6)] == out.texts
    assert collector.pieces > 30 and collector.ended == 1
    calls: list[tuple[int, str]] = []
    again = text_lm.generate(
        ["The fox", "naïve"], streamer=lambda row, text: calls.append((row, text)), **options
    )
    assert again.texts == out.texts
    assert "".join(text for row, text in calls if row == 4) == out.texts[4]


def test_streams_do_not_show_eos(text_lm: contlm.Interpolator) -> None:
    free = text_lm.generate("The", alpha=0, seed=0, eos_token_id=[])
    collector = Collector()
    out = text_lm.generate(
        "The", alpha=0, seed=0, eos_token_id=free.token_ids[0][3], streamer=collector
    )
    assert out.finish_reasons == ["eos"]
    assert collector.texts.get(0, "") == out.texts[0]


def test_an_error_in_the_streamer_reaches_the_caller(text_lm: contlm.Interpolator) -> None:
    def broken(_row: int, _text: str) -> None:
        raise LookupError("from the streamer")

    with pytest.raises(LookupError, match="from the streamer"):
        text_lm.generate("The", streamer=broken)
    assert len(text_lm.generate("The", max_new_tokens=3)) == 1, "the engine works on"


def test_progress_shows_tokens(llama: Case, capsys: pytest.CaptureFixture[str]) -> None:
    continue_with(llama.lm(), progress=True)
    assert "tok/s" in capsys.readouterr().err
    continue_with(llama.lm())
    assert not capsys.readouterr().err


# -- batching -------------------------------------------------------------------------------------


def test_more_rows_than_fit_at_once(llama: Case) -> None:
    generator = np.random.default_rng(0)
    prompts = [generator.integers(0, VOCAB, n).tolist() for n in (3, 9, 1, 14, 5, 2, 7, 20, 4, 6)]
    alphas = np.linspace(-1, 2, 10)
    few = contlm.Interpolator.from_pretrained(
        llama.base, llama.attributes, dtype="float32", max_rows=3
    )
    assert few.engine.max_rows == 3
    options: dict[str, Any] = {"alpha": {"tone": alphas}, "seed": 4, "num_return_sequences": 2}
    # short and long rows, so that a finished row's place is taken while others go on
    free = llama.lm().generate(prompts, mode="bank", eos_token_id=[7, 8, 9, 10], **options)
    assert len({len(row) for row in free.token_ids}) > 2
    found = few.generate(prompts, mode="bank", eos_token_id=[7, 8, 9, 10], **options)
    assert found.token_ids == free.token_ids
    assert found.finish_reasons == free.finish_reasons


def test_a_shared_prompt_is_read_once(llama: Case) -> None:
    lm = llama.lm()
    one = continue_with(lm, num_return_sequences=1)
    many = continue_with(lm, num_return_sequences=6)
    assert many.token_ids[0] == one.token_ids[0]
    assert len({tuple(row) for row in many.token_ids}) == 6
    assert many.stats["prefill_tokens"] == one.stats["prefill_tokens"] == len(PROMPT[0])


def test_what_a_generation_says(text_lm: contlm.Interpolator) -> None:
    out = text_lm.generate(
        ["The", "One morning"],
        alpha=[0.0, 1.5],
        max_new_tokens=6,
        num_return_sequences=2,
        eos_token_id=[],
    )
    assert len(out) == 4 and out.prompt_index == [0, 0, 1, 1]
    assert out.points[3] == Point({"tone": 1.5})
    assert {
        "mode",
        "rows",
        "prefill_tokens",
        "new_tokens",
        "merge_seconds",
        "prefill_seconds",
    } <= set(out.stats)
    assert out.stats["new_tokens"] == 24 and out.stats["rows"] == 4
    assert out.stats["mode"] in ("bank", "merged", "hybrid") and out.stats["tokens_per_s"] > 0
    frame = out.to_frame()
    assert frame["alpha_tone"].tolist() == [0, 0, 1.5, 1.5]
    assert frame["sample"].tolist() == [0, 1, 0, 1] and frame["text"].tolist() == out.texts
    rows = list(out)
    assert rows[2].text == out.texts[2] and rows[2].prompt_index == 1
    assert repr(out.texts[0]) in repr(out) and "tone=1.5" in repr(out)
    assert "<table>" in out._repr_html_() and "<script" not in out._repr_html_()


def test_prompts_of_every_kind(text_lm: contlm.Interpolator) -> None:
    ids = text_lm.tokenizer.encode("The quick")
    expected = text_lm.generate("The quick", alpha=0.5, seed=0).token_ids
    kinds: list[Any] = [
        ["The quick"],
        [ids],
        np.array([ids]),
        torch.tensor([ids]),
        [np.array(ids)],
        [[np.int32(i) for i in ids]],
        (tuple(ids),),
    ]
    for prompts in kinds:
        assert text_lm.generate(prompts, alpha=0.5, seed=0).token_ids == expected
    # an empty prompt starts from the bos token, as in transformers
    bos = text_lm.generate([[1]], alpha=0.5, seed=0).token_ids
    assert text_lm.generate("", alpha=0.5, seed=0).token_ids == bos
    assert text_lm.generate([[]], alpha=0.5, seed=0).token_ids == bos


def test_two_threads_at_two_points(llama: Case) -> None:
    lm = llama.lm()
    points = [Point({"tone": a, "wit": 1 - a}) for a in (0.0, 0.4, 1.0, 1.7)]

    def run(point: Point) -> list[list[int]]:
        prompts = [[i, i + 1] for i in range(8)]
        return continue_with(lm, prompts=prompts, point=point, max_new_tokens=48).token_ids

    alone = [run(point) for point in points]
    assert alone[0] != alone[1]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, points * 3)) == alone * 3


# -- interrupts -----------------------------------------------------------------------------------


def test_ctrl_c_within_a_second(llama: Case) -> None:
    script = f"""
        import threading, time, contlm
        lm = contlm.Interpolator.from_pretrained({str(llama.base)!r}, {{}})
        lm.generate([[1, 2, 3]], max_new_tokens=2)
        begun = time.time()
        told = []

        def tell(done, total):
            if done and not told:
                told.append(done)
                print("running", flush=True)

        try:
            lm.generate([[i % 150] for i in range(300)], max_new_tokens=250, eos_token_id=[],
                        num_return_sequences=100, progress=tell)
        except KeyboardInterrupt:
            print("interrupted", time.time(), time.time() - begun, flush=True)
        print(len(lm.generate([[1, 2, 3]], max_new_tokens=2)), flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "running\n"
        sent = time.time()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    word, caught, ran = out.split()[:3]
    assert word == "interrupted" and float(ran) > 0
    assert float(caught) - sent < 1.0
    assert out.split()[3] == "1", "the engine works on after an interrupt"


# -- mistakes -------------------------------------------------------------------------------------


def test_defaults_are_the_native_ones() -> None:
    native = GenerateOptions()
    for name, parameter in inspect.signature(contlm.Interpolator.generate).parameters.items():
        if hasattr(native, name) and parameter.default is not None:
            assert parameter.default == getattr(native, name), name


def test_a_temperature_of_zero_is_greedy(llama: Case) -> None:
    options = {"prompts": [[5, 7, 9], [3, 1]], "point": contlm.Point({"tone": 0.5}), "seed": 3}
    greedy = llama.lm().generate(do_sample=False, **options)
    assert llama.lm().generate(temperature=0, **options).token_ids == greedy.token_ids
    assert llama.lm().generate(temperature=1.0, **options).token_ids != greedy.token_ids


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_new_tokens": 0}, ValueError, "max_new_tokens"),
        ({"max_new_tokens": 2.5}, TypeError, "max_new_tokens: must be an int, got float"),
        ({"temperature": -1}, ValueError, "temperature"),
        ({"temperature": float("nan")}, ValueError, "temperature: must be finite"),
        ({"temperature": "hot"}, TypeError, "temperature: must be a number, got str"),
        ({"top_k": -1}, ValueError, "top_k"),
        ({"top_p": 0.0}, ValueError, "top_p"),
        ({"top_p": 1.1}, ValueError, "top_p"),
        ({"min_p": -0.1}, ValueError, "min_p"),
        ({"min_p": 1.5}, ValueError, "min_p"),
        ({"repetition_penalty": 0}, ValueError, "repetition_penalty"),
        ({"num_return_sequences": 0}, ValueError, "num_return_sequences"),
        ({"seed": -1}, ValueError, r"seed: must be in \[0, 2\^64\), got -1"),
        ({"seed": 2**64}, ValueError, "seed"),
        ({"seed": True}, TypeError, "seed: must be an int, got bool"),
        ({"mode": "fast"}, ValueError, "mode.*fast"),
        ({"method": "dexperts"}, ValueError, "method: must be None in this version"),
        ({"eos_token_id": 999}, ValueError, r"eos_token_id: must be in \[0, 160\), got 999"),
        ({"eos_token_id": "a"}, TypeError, "eos_token_id"),
        ({"stop_strings": "x"}, ValueError, "stop_strings: need a tokenizer"),
        ({"stop_strings": ""}, ValueError, "stop_strings: must not be empty"),
        ({"stop_strings": [1]}, TypeError, "stop_strings: must be a str or a list of str, got int"),
        ({"streamer": print}, ValueError, "streamer: needs a tokenizer"),
        ({"prompts": "text"}, ValueError, "prompts: text needs a tokenizer"),
        ({"prompts": []}, ValueError, "at least one prompt"),
        (
            {"prompts": [[1, 160]]},
            ValueError,
            r"prompts\[0\]\[1\]: must be a token id in \[0, 160\)",
        ),
        ({"prompts": [[-1]]}, ValueError, r"prompts\[0\]\[0\]: must be a token id"),
        ({"prompts": [1, 2]}, TypeError, r"one flat list of ints; wrap it"),
        ({"prompts": [[1.5]]}, TypeError, r"prompts\[0\]\[0\]: must be an int, got float"),
        ({"prompts": [[1], "a"]}, TypeError, r"prompts\[1\]: is text among token-id lists"),
        ({"prompts": 7}, TypeError, "prompts: must be a str, a list of str, a list of token-id"),
        ({"prompts": [[1] * 241]}, ValueError, r"256"),
        ({"alpha": {"tone": 1}}, ValueError, "give one of them|either"),
        ({"point": None, "alpha": {"mood": 1}}, ValueError, "'mood'; known: tone, wit"),
        ({"point": None, "alpha": {"tone": [1, 2]}}, ValueError, r"one per prompt \(1\), got 2"),
        ({"point": None, "alpha": 0.5}, ValueError, "plain number.*tone, wit"),
        ({"point": None, "coeffs": [1, 2]}, ValueError, r"coeffs: must be \[4\].*got \[2\]"),
        ({"point": None, "coeffs": [1, 2, 3, float("inf")]}, ValueError, "coeffs: must be finite"),
        ({"point": None, "coeffs": ["a"] * 4}, TypeError, "coeffs: must be an array of numbers"),
        (
            {"point": None, "schedule": np.zeros((3, 4))},
            ValueError,
            "max_new_tokens=16.*got 3 rows",
        ),
        (
            {"point": None, "schedule": np.zeros((16, 3))},
            ValueError,
            r"schedule: must be \[steps, 4\]",
        ),
        ({"point": None, "schedule": lambda _: 0.5}, TypeError, "must return a Point for step 0"),
        ({"coeffs": [0, 0, 0, 0]}, ValueError, "point, coeffs: give one of them"),
    ],
)
def test_mistakes(
    llama: Case, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        continue_with(llama.lm(), **options)
    assert "\n" not in str(caught.value)


def test_a_prompt_that_just_fits(llama: Case) -> None:
    out = continue_with(llama.lm(), prompts=[[1] * 240], max_new_tokens=16)
    assert len(out.token_ids[0]) == 16


@pytest.mark.parametrize(
    ("ids", "mask", "error", "message"),
    [
        ([[1, 2], [3]], None, ValueError, r"input_ids: must be a rectangle \[B, T\]"),
        ([1, 2], None, ValueError, r"input_ids: must be \[B, T\], got \[2\]"),
        ([[1.0]], None, TypeError, "input_ids: must hold ints"),
        ([[1, 160]], None, ValueError, "160"),
        ([[1] * 257], None, ValueError, "256"),
        ([[1, 2]], [[1]], ValueError, r"attention_mask: must have the shape of input_ids \[1, 2\]"),
    ],
)
def test_mistakes_in_logits(
    llama: Case, ids: Any, mask: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        llama.lm().logits(ids, mask, point=POINT)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dtype": "float16"}, ValueError, "dtype: must be 'auto', 'float32' or 'bfloat16'"),
        ({"dtype": "int8"}, ValueError, "dtype: must be .* got 'int8'"),
        ({"dtype": 32}, TypeError, "dtype: must be a str or a torch.dtype, got int"),
        ({"device": "tpu"}, ValueError, "device: must be 'auto'"),
        ({"device": "cuda:99"}, ValueError, "device: 'cuda:99' is not there"),
        ({"quantize": "int8"}, ValueError, "quantize: must be None in this version"),
        ({"threads": 0}, ValueError, "threads: must be at least 1"),
        ({"max_rows": -1}, ValueError, "max_rows: must be at least 1"),
        ({"tokenizer": 3}, TypeError, "tokenizer: must be a tokenizers.Tokenizer"),
        ({"tokenizer": "/no/such/place"}, FileNotFoundError, "/no/such/place"),
    ],
)
def test_mistakes_in_from_pretrained(
    llama: Case, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        contlm.Interpolator.from_pretrained(llama.base, {}, **options)


def test_mistakes_in_sources(llama: Case, tmp_path: Path) -> None:
    load = contlm.Interpolator.from_pretrained
    low = llama.anchors["tone.low"]
    with pytest.raises(FileNotFoundError, match=r"no directory '\./gone'"):
        load("./gone", {})
    with pytest.raises(FileNotFoundError, match="could not reach the hub for 'owner/gone'"):
        load("owner/gone", {})
    with pytest.raises(FileNotFoundError, match=r"it is a PEFT adapter: give its base model here"):
        load(low, {})
    with pytest.raises(FileNotFoundError, match=r"tone\.high: no directory"):
        load(llama.base, {"tone": (low, tmp_path / "gone")})
    with pytest.raises(FileNotFoundError, match=r"adapter_config\.json"):
        load(llama.base, {"tone": (low, tmp_path)})
    with pytest.raises(contlm.AdapterError, match="a full model"):
        load(llama.base, {"tone": (low, llama.base)})
    with pytest.raises(TypeError, match=r"attributes\['tone'\]: must be a pair"):
        load(llama.base, {"tone": str(low)})
    with pytest.raises(ValueError, match=r"attributes\['tone'\].*got 1 adapters"):
        load(llama.base, {"tone": [low]})
    with pytest.raises(TypeError, match="attributes: must be a dict"):
        load(llama.base, [low, low])
    with pytest.raises(TypeError, match=r"tone\.low: must be an adapter's directory"):
        load(llama.base, {"tone": (3, low)})
    with pytest.raises(TypeError, match="model: must be a directory"):
        load(3, {})
    (tmp_path / "config.json").write_text("{not json")
    with pytest.raises(contlm.CheckpointError, match=r"config\.json: must be JSON"):
        load(tmp_path, {})


def test_an_unknown_architecture_is_named(llama: Case, tmp_path: Path) -> None:
    import json
    import shutil

    shutil.copytree(llama.base, tmp_path / "m")
    config = json.loads((llama.base / "config.json").read_text())
    config.update(model_type="mamba", architectures=["MambaForCausalLM"])
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(contlm.CheckpointError, match=r"Llama.*got \"MambaForCausalLM\""):
        contlm.Interpolator.from_pretrained(tmp_path / "m", {})


def test_texts_without_a_tokenizer(llama: Case) -> None:
    out = continue_with(llama.lm())
    with pytest.raises(ValueError, match="no tokenizer"):
        _ = out.texts
    assert str(out.token_ids[0]) in repr(out)
    assert "text" not in out.to_frame()
    lm = contlm.Interpolator.from_pretrained(llama.base, {}, tokenizer=byte_level_tokenizer())
    assert isinstance(lm.generate([[1, 2]]).texts[0], str)
