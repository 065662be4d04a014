"""What the benchmarks count, time and draw: not the speed of anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from common import bounds, timing, work  # noqa: E402
from common.results import compared, processor  # noqa: E402
from common.work import Pass, Span  # noqa: E402

# q [4, 4], k and v [2, 4], o [4, 4], gate and up [6, 4], down [4, 6]: 16 + 16 + 16 + 72 weights
LLAMA = work.decoder(
    SimpleNamespace(
        hidden_size=4,
        intermediate_size=6,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=2,
        vocab_size=10,
    )
)
ROBERTA = work.classifier(
    SimpleNamespace(hidden_size=4, intermediate_size=6, num_hidden_layers=2, num_labels=2)
)


def test_flops_of_a_decoder() -> None:
    keys, others, head = 16, 104, 40
    found = LLAMA.one_pass([Span(0, 3, 1)], itemsize=4)
    # three tokens through layer 1 and the keys of layer 2, one through its rest and the head
    products = 2 * (3 * (keys + others) + 3 * keys + others + head)
    # causal: 1 + 2 + 3 pairs in layer 1, 3 of the last token in layer 2; 4 wide; scores and values
    attention = 2 * 2 * 4 * (1 + 2 + 3 + 3)
    assert found == Pass(products + attention, 4 * (2 * (keys + others) + head))


def test_flops_of_adapters() -> None:
    """r = 3 beside a product [out, in] is 3 (out + in) more weights."""
    plain, banked = (LLAMA.one_pass([Span(5, 1, 1)], 2, rank) for rank in (0, 3))
    more = 2 * 3 * (2 * (4 + 4) + 2 * (2 + 4) + 3 * (6 + 4))
    assert banked == Pass(plain.flops + 2 * more, plain.bytes + 2 * more)


def test_flops_of_merging() -> None:
    weights, factors = 2 * 120, 2 * 3 * (2 * (4 + 4) + 2 * (2 + 4) + 3 * (6 + 4))
    assert LLAMA.merge(rank=3, itemsize=4) == Pass(2 * 3 * weights, 4 * (2 * weights + factors))


def test_generation_reads_prompts_once_and_feeds_all_but_the_last_token_back() -> None:
    prefill, *steps = work.generation(LLAMA, rows=2, prompt=5, new=4, itemsize=4, samples=3)
    assert prefill == LLAMA.one_pass([Span(0, 5, 1)] * 2, 4)
    assert steps == [LLAMA.one_pass([Span(5 + step, 1, 1)] * 6, 4) for step in range(3)]


@pytest.mark.parametrize(("tokens", "spans"), [
    (6, [Span(0, 5, 5)]),
    (8, [Span(0, 7, 7)]),
    (12, [Span(0, 7, 7), Span(0, 7, 4)]),
    (13, [Span(0, 7, 7), Span(0, 7, 4), Span(0, 4, 1)]),
])  # fmt: skip
def test_perplexity_takes_every_target_once(tokens: int, spans: list[Span]) -> None:
    assert work.perplexity(LLAMA, tokens, 8, 4, 4) == [LLAMA.one_pass(spans, 4)]
    assert sum(span.read for span in spans) == tokens - 1


def test_flops_of_a_classifier() -> None:
    """A text of 3 tokens: all of layer 1, keys and values of layer 2, the rest for <s> alone."""
    keys, others, head = 32, 32 + 48, 16 + 8
    products = 2 * (3 * (keys + others) + 3 * keys + others + head)
    attention = 2 * 2 * 4 * (3 * 3 + 3)
    assert work.scoring(ROBERTA, [3], 2) == [
        Pass(products + attention, 2 * (2 * (keys + others) + head))
    ]


def test_configs_are_those_of_the_models() -> None:
    """The count of weights against transformers' own, embeddings and norms left out."""
    from common.models import roberta_config, smollm_config
    from transformers import LlamaForCausalLM, RobertaForSequenceClassification

    with torch.device("meta"):
        llama = LlamaForCausalLM(smollm_config())
        roberta = RobertaForSequenceClassification(roberta_config())
    counts = work.decoder(llama.config), work.classifier(roberta.config)
    for model, counted in zip((llama, roberta), counts, strict=True):
        linear = [m.weight.shape for m in model.modules() if isinstance(m, torch.nn.Linear)]
        ours = [*counted.products * counted.layers, *counted.head]
        assert sorted(map(tuple, linear)) == sorted(ours)


def test_sides_are_called_in_turn_with_equal_inputs_that_are_new() -> None:
    calls: list[tuple[Any, ...]] = []

    def side(name: str) -> Callable[[int], Callable[[], None]]:
        def prepare(given: int) -> Callable[[], None]:
            calls.append(("prepare", name, given))
            return lambda: calls.append(("call", name, given))

        return prepare

    seconds = timing.in_turn(
        {"a": side("a"), "b": side("b")},
        lambda number: number,
        rounds=2,
        warmups=1,
        after=lambda: calls.append(("after",)),
    )
    assert calls == [
        step
        for number in (-1, 0, 1)
        for step in (
            ("prepare", "a", number),
            ("call", "a", number),
            ("prepare", "b", number),
            ("call", "b", number),
            ("after",),
        )
    ]
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}


def test_preparing_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def spend(seconds: float) -> None:
        now[0] += seconds

    def prepare(number: int) -> Callable[[], None]:
        spend(100)
        return lambda: spend(number + 1)

    assert timing.in_turn({"a": prepare}, lambda n: n, rounds=3) == {"a": [1.0, 2.0, 3.0]}


def test_alternated_keeps_what_one_side_has_more_of() -> None:
    found = timing.alternated({"a": 1, "b": 2, "c": 3}, {"x": 4})
    assert list(found.items()) == [("a", 1), ("x", 4), ("b", 2), ("c", 3)]


def test_spread() -> None:
    assert timing.spread([4.0, 1.0, 2.0, 3.0, 10.0]) == {
        "median": 3.0,
        "q1": 2.0,
        "q3": 4.0,
        "min": 1.0,
        "max": 10.0,
        "count": 5,
    }


def test_ratios_are_of_rounds() -> None:
    """2, 2 and 1 in the rounds, though the medians' ratio is 1.5."""
    assert timing.paired_ratio([4.0, 6.0, 2.0], [2.0, 3.0, 2.0])["median"] == 2.0


class FixedBound(bounds.Bound):
    def __init__(self) -> None:
        self.flops, self.bytes = (100.0, "products"), (10.0, "reads")


def test_a_pass_is_bound_by_its_products_or_its_reads() -> None:
    assert FixedBound().seconds([Pass(200.0, 1.0), Pass(100.0, 50.0)]) == 2.0 + 5.0


def test_figures_are_compared() -> None:
    found = compared(
        {"ours": [4.0, 4.0, 8.0], "peer": [8.0, 16.0, 8.0]},
        {"ours": [Pass(200.0, 0.0)]},
        FixedBound(),
        [("peer", "ours")],
        tokens=8,
    )
    ours = found["figures"]["ours"]
    assert (ours["tokens_per_s"], ours["bound_s"], ours["share_of_bound"]) == (2.0, 2.0, 0.5)
    assert "bound_s" not in found["figures"]["peer"]
    assert found["ratios"]["peer / ours"]["median"] == 2.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bound_is_measured(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "READ_BYTES", 2**20)
    bound = bounds.Bound(LLAMA, dtype)
    before = bound.report()
    bound.sample()
    after = bound.report()
    assert after["product_gflops"] >= before["product_gflops"] > 0
    assert after["read_gb_per_s"] >= before["read_gb_per_s"] > 0
    assert after["products_of"] == before["products_of"] and "rows" in after["products_of"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_candidate_computes_the_models_products(dtype: torch.dtype) -> None:
    for candidate in bounds._candidates(LLAMA, dtype, "cpu").values():
        candidate(2)()


@pytest.mark.parametrize(("lines", "name"), [
    (("AuthenticAMD", 26, 2, "AMD EPYC"), "AMD EPYC, Zen 5"),
    (("AuthenticAMD", 25, 17, "AMD EPYC"), "AMD EPYC, Zen 4"),
    (("AuthenticAMD", 25, 1, "AMD EPYC"), "AMD EPYC, Zen 3"),
    (("GenuineIntel", 6, 143, "Xeon"), "Xeon, Sapphire Rapids"),
    (("Other", 1, 1, "Core"), "Core"),
])  # fmt: skip
def test_a_processor_says_its_core(lines: tuple[str, int, int, str], name: str) -> None:
    fields = zip(("vendor_id", "cpu family", "model", "model name"), lines, strict=True)
    info = "".join(f"{key}\t: {value}\n" for key, value in fields)
    assert processor(info + "\nvendor_id\t: another core\n") == name


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("name", "size", "sides"), [
    ("generate", ["--rows", "2"], ["generate", "2"]),
    ("metrics", ["--texts", "8", "--tokens", "1100"], ["scoring"]),
    ("sweep", ["--points", "1", "--prompts", "1"], ["sweep"]),
])  # fmt: skip
def test_a_benchmark_checks_its_sides_and_writes(
    name: str, size: list[str], sides: list[str], dtype: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(BENCHMARKS / f"bench_{name}.py"), "--layers", "1", *size]
    command += ["--rounds", "1", "--dtype", dtype, "--out", str(tmp_path)]
    subprocess.run(command, check=True)
    found = json.loads((tmp_path / f"{name}_{dtype}_cpu.json").read_text(encoding="utf-8"))
    for key in sides:
        found = found[key]
    assert found["ratios"] and all(r["median"] > 0 for r in found["ratios"].values())
    assert all(f["share_of_bound"] > 0 for f in found["figures"].values())
