"""Laws that hold at any point: anchors at 1, the base at 0, modes, company, order, and exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import contlm
import numpy as np
import pytest
import torch
from conftest import Case, load_transformers
from contlm._native import _testing
from hypothesis import assume, given
from hypothesis import strategies as st
from peft_oracle import PeftOracle
from tiny_models import VOCAB
from tolerances import assert_logits_close

LAW_FAMILIES = ("llama-tied", "gpt2")
MODES = ("bank", "merged")

coefficient_rows = st.lists(st.floats(-1.5, 1.5), min_size=4, max_size=4).map(np.array)
token_ids = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=16)
prompt_lists = st.lists(token_ids, min_size=2, max_size=5)


@pytest.fixture(params=LAW_FAMILIES, scope="module")
def tiny(request: pytest.FixtureRequest, case: Callable[..., Case]) -> Case:
    return case(request.param)


@pytest.mark.parametrize("mode", MODES)
def test_one_anchor_at_one_is_that_adapter(tiny: Case, mode: str) -> None:
    ids = np.random.default_rng(0).integers(0, VOCAB, (1, 12))
    for k, (name, directory) in enumerate(tiny.anchors.items()):
        alone = PeftOracle(tiny.base, {name: directory}).logits(ids[0])
        assert_logits_close(tiny.lm().logits(ids, coeffs=np.eye(4)[k], mode=mode)[0], alone)


@given(ids=token_ids, mode=st.sampled_from(MODES))
def test_zero_is_the_base_bit_for_bit(tiny: Case, ids: list[int], mode: str) -> None:
    base = tiny.base_lm.logits([ids])
    assert torch.equal(tiny.lm().logits([ids], coeffs=np.zeros(4), mode=mode), base)
    assert torch.equal(tiny.lm().logits([ids]), base)
    assert torch.equal(tiny.lm().logits([ids], point=contlm.Point(), mode=mode), base)
    zero_lam = contlm.Point({"tone": 0.7, "wit": 2.0}, {"tone": 0.0, "wit": 0.0})
    assert torch.equal(tiny.lm().logits([ids], point=zero_lam, mode=mode), base)


@given(ids=token_ids, coeffs=coefficient_rows)
def test_bank_is_merged(tiny: Case, ids: list[int], coeffs: np.ndarray) -> None:
    bank, merged = (tiny.lm().logits([ids], coeffs=coeffs, mode=mode) for mode in MODES)
    assert_logits_close(bank, merged)
    assert_logits_close(tiny.lm().logits([ids], coeffs=coeffs), merged)


@given(ids=token_ids, shared=coefficient_rows, own=coefficient_rows)
def test_hybrid_is_both(tiny: Case, ids: list[int], shared: np.ndarray, own: np.ndarray) -> None:
    """Rows that share one attribute and differ in the other: the shared part merged, the rest
    banked."""
    assume(shared[:2].all() and own.all() and len(set(own[::2]) | {shared[2]}) == 3)
    rows = np.stack([shared, shared, shared])
    rows[1:, 2:] = own[:2], own[2:]
    out = tiny.lm().generate([ids] * 3, coeffs=rows, max_new_tokens=1, mode="hybrid", seed=0)
    assert out.stats["mode"] == "hybrid"
    together = tiny.lm().logits([ids] * 3, coeffs=rows, mode="hybrid")
    for row, logits in zip(rows, together, strict=True):
        assert_logits_close(logits, tiny.lm().logits([ids], coeffs=row, mode="merged")[0])


@given(
    prompts=prompt_lists,
    coeffs=st.lists(coefficient_rows, min_size=5, max_size=5),
    mode=st.sampled_from(MODES),
    order=st.randoms(use_true_random=False),
)
def test_order_and_company_change_nothing(
    tiny: Case, prompts: list[list[int]], coeffs: list[np.ndarray], mode: str, order: object
) -> None:
    lm, rows = tiny.lm(), np.stack(coeffs[: len(prompts)])
    # the same prompt twice at one point draws by which occurrence it is, so company is its own
    # there
    keyed = {(tuple(p), c.tobytes()): (p, c) for p, c in zip(prompts, rows, strict=True)}
    prompts, rows = [p for p, _ in keyed.values()], np.stack([c for _, c in keyed.values()])

    def tokens(which: list[int]) -> list[list[list[int]]]:
        out = lm.generate(
            [prompts[i] for i in which],
            coeffs=rows[which],
            num_return_sequences=2,
            max_new_tokens=12,
            seed=7,
            mode=mode,
            eos_token_id=[],
        )
        return [out.token_ids[2 * n : 2 * n + 2] for n in range(len(which))]

    everyone = list(range(len(prompts)))
    together = tokens(everyone)
    shuffled = sorted(everyone, key=lambda _: order.random())  # type: ignore[attr-defined]
    assert [together[i] for i in shuffled] == tokens(shuffled)
    assert [together[i] for i in everyone] == [tokens([i])[0] for i in everyone]


def test_threads_change_nothing(tiny: Case) -> None:
    prompts = [[i, i + 1, i + 2] for i in range(12)]
    tokens = []
    for threads in (1, 2, 3):
        lm = contlm.Interpolator.from_pretrained(
            tiny.base, tiny.attributes, dtype="float32", threads=threads
        )
        out = lm.generate(prompts, coeffs=[0.5] * 4, num_return_sequences=2, seed=3)
        tokens.append(out.token_ids)
    assert tokens[0] == tokens[1] == tokens[2]


def test_samples_differ(tiny: Case) -> None:
    """What the law above would not notice: that nothing was drawn at all."""
    out = tiny.lm().generate([[5, 6]], coeffs=[0.5] * 4, num_return_sequences=4, seed=7)
    assert len({tuple(row) for row in out.token_ids}) == 4


@given(prompts=prompt_lists, coeffs=coefficient_rows, seed=st.integers(0, 2**64 - 1))
def test_the_same_call_gives_the_same_bits(
    tiny: Case, prompts: list[list[int]], coeffs: np.ndarray, seed: int
) -> None:
    lm = tiny.lm()
    first = lm.generate(prompts, coeffs=coeffs, seed=seed, max_new_tokens=8)
    again = lm.generate(prompts, coeffs=coeffs, seed=seed, max_new_tokens=8)
    assert first.token_ids == again.token_ids
    assert torch.equal(
        lm.logits([prompts[0]], coeffs=coeffs), lm.logits([prompts[0]], coeffs=coeffs)
    )


def test_points_share_their_random_numbers(tiny: Case) -> None:
    """Two points that are one model by different coefficients draw the same tokens."""
    prompt = [[5, 6, 7]]
    same = [
        contlm.Point({"tone": 0.3}, {"tone": 1.0}),
        contlm.Point({"tone": 0.3}, {"tone": 1.0 + 1e-12}),
    ]
    first, second = (
        tiny.lm().generate(prompt, point=p, seed=1, max_new_tokens=24).token_ids for p in same
    )
    assert first == second


POINT = contlm.Point({"tone": 0.4, "wit": 1.3}, {"tone": 0.8, "wit": 0.6})
# tone.high has lora_bias, which merged weights can hold only where the base has biases; wit.high
# adapts the embedding, beside which PEFT takes no lora_bias
TONE = contlm.Point({"tone": 0.4}, {"tone": 0.8})
WIT = contlm.Point({"wit": 1.3}, {"wit": 0.6})


@pytest.mark.parametrize("dtype", [None, "float32", torch.bfloat16])
@pytest.mark.parametrize(
    ("family", "point"), [("llama-tied", WIT), ("llama-biased", POINT), ("gpt2", POINT)]
)
def test_save_merged_reloads_in_transformers(
    case: Callable[..., Case],
    tmp_path: Path,
    family: str,
    point: contlm.Point,
    dtype: torch.dtype | str | None,
) -> None:
    lm, ids = case(family).lm(), np.random.default_rng(1).integers(0, VOCAB, (2, 14))
    out = tmp_path / "merged"
    lm.save_merged(out, point=point, dtype=dtype)
    with torch.no_grad():
        found = load_transformers(out)(input_ids=torch.tensor(ids)).logits
    expected = lm.logits(ids, point=point)
    if dtype == torch.bfloat16:
        assert (found - expected).abs().mean() < 0.03 * expected.std()
        return
    assert_logits_close(found, expected)
    assert_logits_close(contlm.Interpolator.from_pretrained(out, {}).logits(ids), expected)


def test_save_merged_refuses_biases_that_the_base_has_no_place_for(
    llama: Case, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="bias"):
        llama.lm().save_merged(tmp_path / "merged", alpha={"tone": 0.5})
    assert not any(tmp_path.iterdir())


def test_save_merged_keeps_a_tie_that_nothing_broke(tiny: Case, tmp_path: Path) -> None:
    """tone adapts neither the embedding nor the head, wit adapts both, and apart from each
    other."""
    for name, tied in (("tone", True), ("wit", False)):
        tiny.lm().save_merged(tmp_path / name, alpha={name: 0.0 if tied else 1.0})
        loaded = load_transformers(tmp_path / name)
        embedding, head = (
            loaded.get_input_embeddings().weight,
            loaded.get_output_embeddings().weight,
        )
        assert (embedding.data_ptr() == head.data_ptr()) is tied


@pytest.mark.parametrize("point", [TONE, WIT], ids=["biases", "embeddings"])
def test_save_adapter_reloads_in_peft(tiny: Case, tmp_path: Path, point: contlm.Point) -> None:
    ids = np.random.default_rng(2).integers(0, VOCAB, (1, 14))
    out = tmp_path / "adapter"
    tiny.lm().save_adapter(out, point=point)
    expected = tiny.lm().logits(ids, point=point)[0]
    assert_logits_close(PeftOracle(tiny.base, {"one": out}).logits(ids[0]), expected)
    # and it is an anchor again: it is the point wherever between itself and itself
    again = contlm.Interpolator.from_pretrained(tiny.base, {"again": (out, out)})
    assert_logits_close(again.logits(ids, alpha=1.0)[0], expected)
    assert_logits_close(again.logits(ids, alpha=-3.0)[0], expected)


def test_save_adapter_at_the_base_changes_nothing(tiny: Case, tmp_path: Path) -> None:
    ids = np.random.default_rng(2).integers(0, VOCAB, (1, 14))
    tiny.lm().save_adapter(tmp_path / "adapter", point=contlm.Point())
    found = PeftOracle(tiny.base, {"one": tmp_path / "adapter"}).logits(ids[0])
    assert_logits_close(found, tiny.base_lm.logits(ids)[0])


def test_save_adapter_refuses_biases_beside_embeddings(tiny: Case, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"adapter: biases must not stand beside .*save the merged"
    ):
        tiny.lm().save_adapter(tmp_path / "adapter", point=POINT)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("rank", [1, 4])
def test_save_adapter_truncates_as_well_as_can_be(
    case: Callable[..., Case], tmp_path: Path, rank: int
) -> None:
    """The error of each module is its singular values past the rank (Eckart and Young)."""
    tiny = case("llama")
    lm = tiny.lm()
    modules = {
        TONE: ("model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj"),
        WIT: ("model.layers.1.mlp.down_proj", "model.embed_tokens"),
    }
    for point, names in modules.items():
        lm.save_adapter(tmp_path / "adapter", point=point, rank=rank)
        again = contlm.Interpolator.from_pretrained(
            tiny.base, {"again": (tmp_path / "adapter", tmp_path / "adapter")}
        )
        for name in names:
            base = _testing.merged_weight(lm.engine, name, np.zeros(4)).double()
            full = (
                _testing.merged_weight(lm.engine, name, lm.coefficients(point=point)).double()
                - base
            )
            kept = (
                _testing.merged_weight(again.engine, name, again.coefficients(1.0)).double() - base
            )
            singular = torch.linalg.svdvals(full)
            assert singular[rank] > 1e-3, "it must lose something for this to be a test"
            lost = float(singular[rank:].square().sum().sqrt())
            assert float((full - kept).norm()) == pytest.approx(lost, rel=1e-3)


def test_save_adapter_at_a_rank_that_holds_everything_is_exact(tiny: Case, tmp_path: Path) -> None:
    ids = np.random.default_rng(3).integers(0, VOCAB, (1, 9))
    tiny.lm().save_adapter(tmp_path / "adapter", point=TONE, rank=32)
    again = contlm.Interpolator.from_pretrained(
        tiny.base, {"again": (tmp_path / "adapter", tmp_path / "adapter")}
    )
    assert_logits_close(again.logits(ids, alpha=1), tiny.lm().logits(ids, point=TONE))


def test_exports_are_whole_or_not_there(llama: Case, tmp_path: Path) -> None:
    lm, out = llama.lm(), tmp_path / "out"
    out.mkdir()
    lm.save_merged(out, point=WIT)
    before = (out / "model.safetensors").read_bytes()
    lm.save_merged(out, alpha={"tone": 0.0})
    assert (out / "model.safetensors").read_bytes() != before, "an earlier export is replaced"
    lm.save_adapter(out, alpha={"wit": 0.0})
    assert not (out / "model.safetensors").exists(), "nothing of the earlier export is left"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]

    occupied = tmp_path / "mine"
    occupied.mkdir()
    (occupied / "notes.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"new, empty or an earlier export"):
        lm.save_merged(occupied, point=WIT)
    with pytest.raises(FileExistsError, match="it is a file"):
        lm.save_adapter(occupied / "notes.txt", point=WIT)
    with pytest.raises(ValueError, match="dtype"):
        lm.save_merged(tmp_path / "bad", point=WIT, dtype="int8")
    with pytest.raises(ValueError, match="needs the point"):
        lm.save_merged(tmp_path / "bad")
    with pytest.raises(ValueError, match="rank: must be at least 1"):
        lm.save_adapter(tmp_path / "bad", point=WIT, rank=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "out"]
    assert (occupied / "notes.txt").read_text() == "precious"


def test_a_failing_export_leaves_the_old_one(
    llama: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm, out = llama.lm(), tmp_path / "out"
    lm.save_merged(out, point=WIT)
    before = sorted((p.name, p.read_bytes()) for p in out.iterdir())

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("contlm.loading.export.write_base_files", full_disk)
    with pytest.raises(OSError, match="no space"):
        lm.save_merged(out, alpha={"tone": 0.0})
    assert sorted((p.name, p.read_bytes()) for p in out.iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
