"""Analysis against plain numpy: geometry from dense deltas, areas and ranges by hand."""

from __future__ import annotations

import math

import contlm
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Case
from contlm import Point, analysis, grid, zoo
from contlm._native import _testing
from contlm.analysis.tables import line_of, lines_of, scored_attributes, summary_of
from fake_sweep import fake_sweep, true_score


def dense_deltas(lm: contlm.Interpolator) -> np.ndarray:
    """[K, N] float64: every anchor's delta over all modules, formed in full."""
    count, rows = len(lm.anchors), []

    def weights(c: np.ndarray) -> np.ndarray:
        merged = [_testing.merged_weight(lm.engine, name, c) for name in lm.engine.modules()]
        return torch.cat([weight.double().ravel() for weight in merged]).numpy()

    for one in np.eye(count):
        rows.append(weights(one) - weights(np.zeros(count)))
    return np.stack(rows)


def frame_of(distances: np.ndarray) -> pd.DataFrame:
    names = [f"p{k}" for k in range(len(distances))]
    return pd.DataFrame(distances, index=names, columns=names)


def distances_of(points: np.ndarray) -> pd.DataFrame:
    return frame_of(np.linalg.norm(points[:, None] - points[None], axis=-1))


def line_summary(scores: dict[float, float], sem: float | None = 0.0, **columns: list[float]):
    table = pd.DataFrame({"point": range(len(scores)), "alpha_a": list(scores)})
    table["lam_a"] = 1.0
    table["score_a"] = list(scores.values())
    if sem is not None:
        table["score_a_sem"] = sem
    return table.assign(**columns)


# --- geometry


def test_similarity_is_that_of_dense_deltas(llama: Case) -> None:
    lm = llama.lm()
    deltas = dense_deltas(lm)
    norms = np.linalg.norm(deltas, axis=1)
    apart = np.linalg.norm(deltas[:, None] - deltas[None], axis=-1)
    truths = {"cosine": deltas @ deltas.T / np.outer(norms, norms), "l2": apart**2}
    for kind, truth in {**truths, "frobenius": apart}.items():
        found = analysis.similarity(lm, kind)
        assert tuple(found.index) == tuple(found.columns) == lm.anchors
        assert found.attrs["kind"] == kind
        # merged weights are float32 sums with a base of size one
        np.testing.assert_allclose(found.to_numpy(), truth, rtol=2e-4, atol=2e-4 * truth.max())


def test_similarity_takes_points(llama: Case) -> None:
    lm = llama.lm()
    point = Point({"tone": 0.3, "wit": 1.4}, {"tone": 0.5, "wit": 0.7})
    found = analysis.similarity(lm, "frobenius", {"base": Point(), "mix": point})
    deltas = dense_deltas(lm)
    mix = lm.coefficients(point=point) @ deltas
    assert found.loc["base", "mix"] == pytest.approx(np.linalg.norm(mix), rel=1e-4)
    assert found.loc["mix", "wit.low"] == pytest.approx(np.linalg.norm(mix - deltas[2]), rel=1e-4)
    assert math.isnan(analysis.similarity(lm, "cosine", {"base": Point()}).loc["base", "tone.low"])
    with pytest.raises(ValueError, match="taken by an anchor"):
        analysis.similarity(lm, "l2", {"wit.low": point})
    with pytest.raises(ValueError, match="kind: must be one of cosine, l2, frobenius, got 'dot'"):
        analysis.similarity(lm, "dot")


@pytest.mark.parametrize("method", ["classical", "stress"])
def test_mds_recovers_a_plane(method: str) -> None:
    points = np.random.default_rng(1).standard_normal((9, 2)) * (3, 1)
    found = analysis.mds(distances_of(points), method=method)
    assert list(found.columns) == ["mds_1", "mds_2"]
    slack = 1e-3 if method == "stress" else 1e-9
    np.testing.assert_allclose(distances_of(found.to_numpy()), distances_of(points), atol=slack)
    assert (found.to_numpy()[np.abs(found.to_numpy()).argmax(axis=0), [0, 1]] > 0).all()
    pd.testing.assert_frame_equal(found, analysis.mds(distances_of(points), method=method))


def test_mds_is_the_projection_of_the_centred_points() -> None:
    points = np.random.default_rng(2).standard_normal((7, 5))
    centred = points - points.mean(axis=0)
    _, s, v = np.linalg.svd(centred, full_matrices=False)
    found = analysis.mds(distances_of(points), dim=3)
    np.testing.assert_allclose(np.abs(found), np.abs(centred @ v[:3].T), atol=1e-9)
    np.testing.assert_allclose(found.attrs["explained"], (s**2 / (s**2).sum())[:3], atol=1e-12)


def test_stress_is_never_above_the_projections() -> None:
    d = distances_of(np.eye(8))
    flat = analysis.mds(d).to_numpy()
    apart = distances_of(flat).to_numpy()
    classical = math.sqrt(((apart - d.to_numpy()) ** 2).sum() / (d.to_numpy() ** 2).sum())
    assert analysis.mds(d, method="stress").attrs["stress"] < classical


def test_mds_of_a_line_has_one_axis() -> None:
    found = analysis.mds(distances_of(np.array([[0.0], [1.0], [3.0]])), dim=2)
    np.testing.assert_allclose(found["mds_2"], 0.0, atol=1e-7)
    assert not analysis.mds(frame_of(np.zeros((3, 3)))).to_numpy().any()


@pytest.mark.parametrize(
    ("distances", "message"),
    [
        (np.zeros((2, 3)), "must be square"),
        (np.array([[0.0, 1.0], [2.0, 0.0]]), "must be symmetric"),
        (np.ones((2, 2)), "zero diagonal"),
        (np.array([[0.0, np.nan], [np.nan, 0.0]]), "must be finite"),
        (np.array([[0.0, -1.0], [-1.0, 0.0]]), "not negative"),
    ],
)
def test_mds_refuses_what_are_no_distances(distances: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        analysis.mds(pd.DataFrame(distances))


def test_mds_refuses_other_mistakes() -> None:
    with pytest.raises(TypeError, match="must be a DataFrame"):
        analysis.mds(np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"dim: must be in 1\.\.2"):
        analysis.mds(frame_of(np.zeros((2, 2))), dim=3)
    with pytest.raises(ValueError, match="method: must be"):
        analysis.mds(frame_of(np.zeros((2, 2))), method="tsne")


def test_positions_put_a_path_between_each_pair(llama: Case) -> None:
    lm = llama.lm()
    found = analysis.positions(lm, step=0.25, dim=5, method="classical")
    assert found.index[0] == "base" and len(found) == 1 + 4 + 2 * 3
    coordinates = found.filter(regex="^mds_").to_numpy()
    at = {name: coordinates[k] for k, name in enumerate(found.index)}
    # four anchors and the base span four dimensions: the map is exact, and paths are straight
    middle = (at["tone.low"] + at["tone.high"]) / 2
    np.testing.assert_allclose(at["tone@0.5"], middle, atol=1e-6 * np.abs(coordinates).max())
    assert found.loc["wit.high", "alpha"] == 1 and found.loc["wit@0.25", "attribute"] == "wit"
    with pytest.raises(ValueError, match="step: must divide 1"):
        analysis.positions(lm, step=0.3)


# --- entanglement


def area(xs: list[float], ys: list[float]) -> float:
    return sum((xs[k + 1] - xs[k]) * (ys[k + 1] + ys[k]) / 2 for k in range(len(xs) - 1))


@pytest.mark.parametrize("held", [1.0, 0.0])
def test_entanglement_is_the_area_under_the_change(held: float) -> None:
    names, alphas = ("a", "b", "c"), [0.0, 0.25, 0.5, 0.75, 1.0]
    sweep = fake_sweep(grid.entangle(names, alphas=alphas, held=held))
    # give the held score an answer to the moved alpha: .1 alpha_j^2 times the pair's own weight
    weight = {("a", "b"): 1.0, ("a", "c"): -2.0, ("b", "a"): 0.0, ("b", "c"): 0.5,
              ("c", "a"): 1.5, ("c", "b"): -0.2}  # fmt: skip
    table = sweep.summary
    for at, (pair, alpha) in enumerate((p, a) for p in sweep.grid.axes["pairs"] for a in alphas):
        table.loc[at, f"score_{pair[1]}"] = 0.5 + 0.1 * weight[tuple(pair)] * alpha**2
    # two pairs share the point where both alphas are `held`; it is measured once, so make it agree
    found = analysis.entanglement(sweep)
    assert found.index.name == "moved" and found.columns.name == "held"
    assert list(found.index) == list(found.columns) == list(names)
    for (moved, kept), w in weight.items():
        scores = _held_curve(table, moved, kept, held)
        expected = area(list(scores), [abs(s - scores[0.0]) for s in scores.values()])
        assert found.loc[moved, kept] == pytest.approx(expected, abs=1e-12), w
    assert all(math.isnan(found.loc[n, n]) for n in names)
    pd.testing.assert_frame_equal(analysis.entanglement(table, held=held), found)


def _held_curve(table: pd.DataFrame, moved: str, kept: str, held: float) -> dict[float, float]:
    curve: dict[float, list[float]] = {}
    for _, row in table.iterrows():
        if row[f"lam_{moved}"] == row[f"lam_{kept}"] == 0.5 and row[f"alpha_{kept}"] == held:
            curve.setdefault(row[f"alpha_{moved}"], []).append(row[f"score_{kept}"])
    return {alpha: sum(v) / len(v) for alpha, v in sorted(curve.items())}


def test_entanglement_of_a_frame_of_texts_is_that_of_its_means() -> None:
    sweep = fake_sweep(grid.entangle(("a", "b")))
    pd.testing.assert_frame_equal(
        analysis.entanglement(sweep.frame), analysis.entanglement(sweep.summary)
    )


def test_entanglement_says_what_is_missing() -> None:
    sweep = fake_sweep(grid.entangle(("a", "b")), without=["score_b"])
    with pytest.raises(ValueError, match=r"must have the column 'score_b'.*classifiers="):
        analysis.entanglement(sweep)
    with pytest.raises(ValueError, match=r"sweep over contlm\.grid\.entangle"):
        analysis.entanglement(fake_sweep(grid.line("a")))
    late = fake_sweep(grid.entangle(("a", "b"), alphas=(0.25, 0.5)))
    with pytest.raises(ValueError, match="must be swept from alpha 0"):
        analysis.entanglement(late)
    with pytest.raises(TypeError, match=r"must be a contlm\.Sweep"):
        analysis.entanglement([1, 2])


# --- stable range

RISING = {-2.0: 0.3, -1.0: 0.1, 0.0: 0.2, 1.0: 0.8, 2.0: 0.9, 3.0: 0.7}


def test_stable_range_ends_where_the_score_turns() -> None:
    # rises from -1 to 2; at -2 it lies above the score at -1, at 3 below that at 2
    assert analysis.stable_range(line_summary(RISING), "a", tolerance=0.0) == (-1.0, 2.0)


def test_stable_range_of_a_falling_score_is_its_mirror() -> None:
    falling = {alpha: 1 - score for alpha, score in RISING.items()}
    assert analysis.stable_range(line_summary(falling), "a", tolerance=0.0) == (-1.0, 2.0)


def test_tolerance_is_in_units_of_the_score() -> None:
    table = line_summary(RISING)
    assert analysis.stable_range(table, "a", tolerance=0.199) == (-1.0, 2.0)
    assert analysis.stable_range(table, "a", tolerance=0.201) == (-2.0, 3.0)


def test_without_a_tolerance_two_standard_errors_count_as_noise() -> None:
    # the step back of .2 is two standard errors of the difference at sem = .1 / sqrt(2)
    sem = 0.1 / math.sqrt(2)
    assert analysis.stable_range(line_summary(RISING, sem * 1.01), "a") == (-2.0, 3.0)
    assert analysis.stable_range(line_summary(RISING, sem * 0.99), "a") == (-1.0, 2.0)
    assert analysis.stable_range(line_summary(RISING, None), "a") == (-1.0, 2.0)


def test_a_slow_drift_does_not_pass_as_noise() -> None:
    drift = {0.0: 0.0, 1.0: 0.9, 2.0: 0.86, 3.0: 0.82, 4.0: 0.78}
    assert analysis.stable_range(line_summary(drift), "a", tolerance=0.05) == (0.0, 2.0)


def test_stable_range_ends_where_the_model_is_not_sound() -> None:
    scores = {-2.0: 0.0, -1.0: 0.1, 0.0: 0.2, 1.0: 0.8, 2.0: 0.9, 3.0: 1.0}
    perplexity = [9.1, 5.0, 5.0, 6.0, 8.9, 9.1]
    table = line_summary(scores, perplexity=perplexity)
    assert analysis.stable_range(table, "a", factor=1.5) == (-1.0, 2.0)
    assert analysis.stable_range(table, "a", factor=2) == (-2.0, 3.0)
    assert analysis.stable_range(table, "a", factor=1) == (-1.0, 1.0)
    diverse = table.assign(dist_1=[0.9, 0.5, 0.9, 0.9, 0.59, 0.9])
    assert analysis.stable_range(diverse, "a", factor=1.5) == (0.0, 1.0)
    assert analysis.stable_limits(diverse, "a", 1.5) == {"perplexity": 9.0, "dist_1": 0.9 / 1.5}
    limits = analysis.stable_limits(table.assign(base_perplexity=3.0), "a", 2, coherence=1.2)
    assert limits == {"perplexity": 12.0, "base_perplexity": pytest.approx(3.6)}
    broken = table.assign(perplexity=[5, math.inf, 5, 5, math.nan, 5])
    assert analysis.stable_range(broken, "a") == (0.0, 1.0)


def test_stable_range_ends_where_the_texts_come_apart() -> None:
    """Scores go on, perplexity and diversity are as they were: only base_perplexity tells."""
    sweep = fake_sweep(grid.line("a", -2, 3, 0.5), noise=0.0)
    sweep.summary["perplexity"] = 5.0
    apart = [90.0, 9.0, 4.6, 3.2, 3.0, 2.8, 2.9, 3.1, 4.4, 4.6, 300.0]
    sweep.summary["base_perplexity"] = apart
    assert analysis.stable_range(sweep, "a") == (-0.5, 2.0)
    assert analysis.stable_range(sweep, "a", coherence=1.6) == (-1.0, 2.5)
    assert analysis.limits_reached(sweep, "a") == (True, True)
    blind = sweep.summary.drop(columns="base_perplexity")
    assert analysis.stable_range(blind, "a") == (-2.0, 3.0)
    assert analysis.limits_reached(blind, "a") == (False, False)
    silent = sweep.summary.assign(base_perplexity=[math.nan, *apart[1:-1], math.nan])
    assert analysis.stable_range(silent, "a", coherence=99) == (-1.5, 2.5)


def test_limits_are_reached_side_by_side() -> None:
    table = line_summary({-1.0: 0.3, 0.0: 0.2, 1.0: 0.8, 2.0: 0.9})
    assert analysis.limits_reached(table, "a", tolerance=0.0) == (True, False)
    assert analysis.limits_reached(table, "a", tolerance=0.2) == (False, False)
    dip = line_summary({0.0: 0.8, 0.5: 0.1, 1.0: 0.9})
    assert analysis.limits_reached(dip, "a") == (True, True)


def test_no_stable_range_certifies_gibberish_of_the_bundled_models() -> None:
    """At alpha 2.5 and -2 no sentence of the bundled models stands, but the score goes on."""
    name, lm = "formality", zoo.load(threads=1)
    classifier = contlm.Classifier.from_pretrained(zoo.classifier_path(name), threads=1)
    sweep = lm.sweep(
        zoo.prompts()[:6], grid.line(name, -2, 2.5, 0.5), classifiers={name: classifier},
        progress=False,
    )  # fmt: skip
    low, high = analysis.stable_range(sweep, name)
    assert -1.5 < low <= 0 and 1 <= high < 2.5
    assert analysis.limits_reached(sweep, name) == (True, True)
    assert analysis.stable_range(sweep.frame, name) == (low, high)
    blind = sweep.summary.drop(columns="base_perplexity")
    assert analysis.stable_range(blind, name)[1] == 2.5


def test_no_range_where_the_middle_is_not_stable() -> None:
    dip = line_summary({0.0: 0.2, 0.5: 0.1, 1.0: 0.8})
    assert all(map(math.isnan, analysis.stable_range(dip, "a", tolerance=0.05)))
    assert analysis.stable_range(dip, "a", tolerance=0.11) == (0.0, 1.0)


def test_stable_range_mistakes() -> None:
    table = line_summary(RISING)
    for arguments, message in [
        ({"factor": 0.9}, "factor: must be at least 1"),
        ({"coherence": math.nan}, "coherence: must be at least 1"),
        ({"tolerance": -1.0}, "tolerance: must not be negative"),
    ]:
        with pytest.raises(ValueError, match=message):
            analysis.stable_range(table, "a", **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be one that the sweep moves"):
        analysis.stable_range(table, "b")
    with pytest.raises(ValueError, match="alpha = 0 and 1 must be among"):
        analysis.stable_range(line_summary({0.5: 0.1, 1.0: 0.2}), "a")
    with pytest.raises(ValueError, match="'score_a'"):
        analysis.stable_range(table.drop(columns="score_a"), "a")


# --- mean absolute error


def test_mae_is_the_mean_over_the_truths_alphas() -> None:
    sweep = fake_sweep(grid.line("a", step=0.25), noise=0.0)
    truth = {0.0: 0.1, 0.5: 0.5, 1.0: 0.7}
    scores = [true_score(Point({"a": alpha}), "a") for alpha in truth]
    expected = np.mean([abs(s - t) for s, t in zip(scores, truth.values(), strict=True)])
    assert analysis.mae(sweep, truth, "a") == pytest.approx(expected)
    assert analysis.mae(sweep, pd.Series(truth), "a") == pytest.approx(expected)
    assert analysis.mae(sweep.summary, sweep, "a") == 0.0
    with pytest.raises(ValueError, match=r"it lacks 0\.3; it has 0, 0\.25"):
        analysis.mae(sweep, {0.3: 0.5}, "a")
    with pytest.raises(ValueError, match="at least one alpha"):
        analysis.mae(sweep, {}, "a")


# --- the tables beneath


def test_a_frame_becomes_the_summary_of_its_texts() -> None:
    sweep = fake_sweep(grid.simplex(("a", "b", "c"), step=0.5))
    found = summary_of(sweep.frame)
    assert summary_of(sweep) is sweep.summary
    pd.testing.assert_frame_equal(found, sweep.summary[found.columns], check_dtype=False)


def test_lines_are_found_in_a_union() -> None:
    union = grid.line("a", step=0.5) + grid.line("b", start=-1, step=0.5)
    table = fake_sweep(union).summary
    assert lines_of(table) == ("a", "b")
    assert line_of(table, "b")["alpha_b"].tolist() == [-1, -0.5, 0, 0.5, 1]
    mixed = fake_sweep(grid.product({"a": [0, 1], "b": [0, 1]})).summary
    assert lines_of(mixed) == ()
    with pytest.raises(ValueError, match="differ in alpha_a alone, but alpha_b takes"):
        line_of(mixed, "a")
    held = mixed[mixed["alpha_b"] == 1]
    assert line_of(held, "a")["alpha_a"].tolist() == [0, 1]


def test_an_attribute_may_be_called_anything() -> None:
    table = pd.DataFrame(columns=["point", "score_a", "score_a_sem", "score_x_sem"])
    assert scored_attributes(table) == ("a", "x_sem")


def test_all_is_reachable_from_the_package() -> None:
    assert contlm.analysis is analysis and callable(contlm.report)
    assert {"analysis", "plot", "report"} <= set(contlm.__all__)
