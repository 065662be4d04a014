"""Pictures, checked without eyes: what is drawn equals the sweep's data, every Axes says what it
shows, text stays inside its figure, and legends stay off the data."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from conftest import Case
from contlm import Point, analysis, grid, plot
from contlm.plot.choose import kind_of
from contlm.plot.labels import fixed, number, range_label
from contlm.plot.style import bare_figures, colour, figure_of, marker
from contlm.plot.ternary import faces_of
from fake_sweep import PROMPTS, FakeSweep, fake_sweep
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text

NAMES = ("warm", "wry", "curt")


@pytest.fixture(autouse=True)
def bare() -> Iterator[None]:
    """Other tests may have imported pyplot, which would keep every figure of these."""
    with bare_figures():
        yield


@pytest.fixture(scope="module")
def line() -> FakeSweep:
    return fake_sweep(grid.line("warm", start=-3, stop=4, step=0.5))


@pytest.fixture(scope="module")
def triangle() -> FakeSweep:
    return fake_sweep(grid.simplex(NAMES))


@pytest.fixture(scope="module")
def fig5() -> FakeSweep:
    grids = [grid.alpha_lambda(n, NAMES, lams=(0.4, 0.7, 1.0), others=0.0) for n in NAMES]
    return fake_sweep(grids[0] + grids[1] + grids[2])


def new_axes(count: int = 1) -> list[Axes]:
    return list(Figure().subplots(1, count, squeeze=False)[0])


def curves(ax: Axes) -> list[mpl.lines.Line2D]:
    return [line for line in ax.lines if line.get_marker() not in ("None", "", None)]


def texts(ax: Axes) -> list[str]:
    return [t.get_text() for t in ax.texts]


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    return [] if found is None else [t.get_text() for t in found.get_texts()]


def drawn(ax: Any) -> None:
    """Renders a figure of our own, and looks: every Axes has labels, nothing leaves the page, no
    legend covers data, no number is a negative zero, and no Axes says a thing twice."""
    figure = figure_of(ax)
    figure.canvas.draw()
    for axes in figure.axes:
        if not axes.axison:
            assert len(axes.texts) >= 3, "a triangle names its corners"
        elif axes.get_label() != "<colorbar>":
            assert axes.get_xlabel() and axes.get_ylabel()
    page, tight = figure.bbox_inches, figure.get_tightbbox()
    assert tight.x0 >= -0.02 and tight.y0 >= -0.02
    assert tight.x1 <= page.x1 + 0.02 and tight.y1 <= page.y1 + 0.02
    legends = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    for legend in legends:
        box = legend.get_window_extent().padded(-1)
        assert not any(box.overlaps(a.get_window_extent()) for a in figure.axes)
    for text in figure.findobj(Text):
        assert not re.fullmatch(r"[-−]0(\.0*)?", text.get_text())
    for axes in figure.axes:
        bars = [child for child in axes.child_axes if child.get_label() == "<colorbar>"]
        labels = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        labels += [label for b in bars for label in (b.get_xlabel(), b.get_ylabel())]
        said = [label for label in labels if "score" in label]
        assert len(said) == len(set(said)) and sum(label in labels[0] for label in said) <= 1


# --- curves


def test_alpha_curve_draws_the_data(line: FakeSweep) -> None:
    ax = plot.alpha_curve(line)
    table = line.summary
    whole, inside = curves(ax)
    np.testing.assert_array_equal(whole.get_xdata(), table["alpha_warm"])
    np.testing.assert_array_equal(whole.get_ydata(), table["score_warm"])
    low, high = analysis.stable_range(table, "warm")
    assert (low, high) == (min(inside.get_xdata()), max(inside.get_xdata()))  # type: ignore[type-var]
    assert ax.get_xlabel() == "α of warm" and ax.get_ylabel() == "warm score"
    assert ax.get_ylim()[0] < 0 and ax.get_ylim()[1] > 1
    span = next(p for p in ax.patches if "stable range" in str(p.get_label()))
    assert span.get_extents().transformed(ax.transData.inverted()).x0 == pytest.approx(low)
    assert {"95 % interval", "anchors (α = 0, 1)"} <= set(legend(ax))
    drawn(ax)


def band_of(ax: Axes) -> np.ndarray:
    """[alphas, 2]: the lower and upper end of the band at each alpha."""
    band = next(c for c in ax.collections if c.get_label() == "_band")
    x, y = band.get_paths()[0].vertices.T
    return np.array([(y[x == at].min(), y[x == at].max()) for at in np.unique(x)])


def test_the_band_of_a_summary_is_the_normal_interval_cut_off(line: FakeSweep) -> None:
    table = line.summary.assign(score_warm_sem=0.2)
    ax = plot.alpha_curve(table, confidence=0.5)
    reach = 0.6744897501960817 * 0.2
    scores = table["score_warm"].to_numpy()
    ends = np.stack([scores - reach, scores + reach], axis=1)
    assert ends.min() < 0 and ends.max() > 1
    np.testing.assert_allclose(band_of(ax), ends.clip(0, 1))
    assert "50 % interval" in legend(ax)


def test_the_band_of_texts_is_a_bootstrap_over_prompts() -> None:
    # two prompts that score 0 and 1: a resampled mean is 0, 1/2 or 1, with 1/4, 1/2 and 1/4
    sweep = fake_sweep(grid.line("warm", step=0.5))
    frame = sweep.frame[sweep.frame["prompt_index"] < 2]
    frame = frame.assign(score_warm=frame["prompt_index"].astype(float))
    np.testing.assert_allclose(band_of(plot.alpha_curve(frame)), [[0, 1]] * 3)
    narrow = band_of(plot.alpha_curve(frame, confidence=0.3))
    np.testing.assert_allclose(narrow, [[0.5, 0.5]] * 3)
    # texts of other lines and attributes stay out
    more = fake_sweep(grid.line("warm", step=0.5) + grid.line("wry", step=0.5), ("warm",), noise=0)
    band = band_of(plot.alpha_curve(more, "warm"))
    np.testing.assert_allclose(band, np.stack([more.summary["score_warm"][:3]] * 2, axis=1))
    # samples of one prompt are alike: alone it tells nothing
    alone = plot.alpha_curve(frame[frame["prompt_index"] == 0])
    assert not any(c.get_label() == "_band" for c in alone.collections)
    assert not any("interval" in text for text in legend(alone))


def test_a_confidence_is_a_share(line: FakeSweep) -> None:
    with pytest.raises(ValueError, match="confidence: must lie between"):
        plot.alpha_curve(line, confidence=95)


def test_perplexity_shows_its_limit_and_a_logarithm(line: FakeSweep) -> None:
    wide = fake_sweep(grid.line("warm", start=-8, stop=8, step=0.5))
    ax = plot.alpha_curve(wide, value="perplexity", factor=2)
    limit = next(ln for ln in ax.lines if "limit" in str(ln.get_label()))
    assert set(limit.get_ydata()) == {10.0} and ax.get_yscale() == "log"  # type: ignore[arg-type]
    assert plot.alpha_curve(line, value="perplexity").get_yscale() == "linear"


def test_a_limit_that_no_point_crossed_is_not_certified(line: FakeSweep) -> None:
    assert range_label((-1, 2), (True, True)) == "[−1, 2]"
    assert range_label((-1, 4), (True, False)) == "[−1, 4], upper limit not reached"
    assert range_label((-3, 2), (False, True)) == "[−3, 2], lower limit not reached"
    inner = plot.alpha_curve(fake_sweep(grid.line("warm", step=0.25)))
    assert "stable range [0, 1], limits not reached" in legend(inner)
    drawn(inner)
    low, high = analysis.stable_range(line, "warm")
    assert low > -3 and high < 4
    assert f"stable range [{number(low)}, {number(high)}]" in legend(plot.alpha_curve(line))
    backwards = line.summary.assign(dist_1=[0.8, 0.1] * 7 + [0.8])
    lost = plot.alpha_curve(backwards)
    assert "no stable range" in legend(lost) and not lost.patches


def test_perplexity_under_the_base_stands_beside_perplexity(line: FakeSweep) -> None:
    table = line.summary.assign(base_perplexity=np.linspace(4, 5, 15))
    panels = plot.alpha_panels(table)
    assert [p.get_ylabel() for p in panels] == [
        "warm score", "perplexity", "perplexity under the base", "dist-n (diversity)",
    ]  # fmt: skip
    np.testing.assert_array_equal(curves(panels[2])[0].get_ydata(), table["base_perplexity"])
    drawn(panels)


def test_dist_draws_every_n(line: FakeSweep) -> None:
    ax = plot.alpha_curve(line, value="dist")
    assert {"dist-1", "dist-2", "dist-3"} <= set(legend(ax)) and ax.get_ylim()[0] == 0
    assert plot.alpha_curve(line, value="dist_2").get_ylabel() == "dist-2"


def test_curves_of_several_attributes_share_axes() -> None:
    sweep = fake_sweep(grid.line("warm", step=0.5) + grid.line("wry", start=-1, stop=2, step=0.5))
    ax = plot.alpha_curve(sweep)
    assert {"warm", "wry"} <= set(legend(ax))
    colours = {c.get_color() for c in curves(ax)}
    assert colours == {colour(0), colour(1)}
    with pytest.raises(ValueError, match="name one column"):
        plot.alpha_curve(sweep, value="dist")
    assert [p.get_ylabel() for p in plot.alpha_panels(sweep)] == [
        "score of the attribute", "perplexity", "perplexity under the base", "dist-2",
    ]  # fmt: skip


def test_methods_lie_over_one_another(line: FakeSweep) -> None:
    (ax,) = new_axes()
    plot.alpha_curve(line, ax=ax, label="ours")
    assert plot.alpha_curve(line, ax=ax, label="truth", color="#000000") is ax
    assert {"ours", "truth"} <= set(legend(ax))


def test_a_line_without_anchors_has_no_range() -> None:
    ax = plot.alpha_curve(fake_sweep(grid.line("warm", start=0.1, stop=0.9, step=0.1)))
    assert len(curves(ax)) == 1 and not any("stable" in text for text in legend(ax))


def test_panels_keep_what_the_sweep_has(line: FakeSweep) -> None:
    assert [p.get_ylabel() for p in plot.alpha_panels(line)] == [
        "warm score", "perplexity", "perplexity under the base", "dist-n (diversity)",
    ]  # fmt: skip
    bare_line = line.summary.drop(
        columns=["perplexity", "base_perplexity", "dist_1", "dist_2", "dist_3"]
    )
    assert len(plot.alpha_panels(bare_line)) == 1
    with pytest.raises(ValueError, match="neither scores nor perplexity"):
        plot.alpha_panels(bare_line.drop(columns="score_warm"))
    axes = new_axes(2)
    found = plot.alpha_panels(line, values=["score", "dist_1"], ax=axes)
    assert list(found) == axes
    with pytest.raises(ValueError, match="ax: must be 4 Axes for this picture, got 2"):
        plot.alpha_panels(line, ax=axes)


def test_panels_say_each_thing_once(line: FakeSweep) -> None:
    mine = plot.alpha_panels(line, ax=new_axes(4))
    said = [text for panel in mine for text in legend(panel)]
    assert len(said) == len(set(said)) and "dist-3" in legend(mine[3])
    ours = plot.alpha_panels(line)
    (shared,) = ours[0].figure.legends
    assert sorted(t.get_text() for t in shared.get_texts()) == sorted(said)
    assert not any(legend(panel) for panel in ours)


# --- triangles


def test_simplex_draws_every_point_in_its_colour(triangle: FakeSweep) -> None:
    ax = plot.simplex(triangle, "score_wry")
    (dots,) = [c for c in ax.collections if isinstance(c, PathCollection)]
    table = triangle.summary.sort_values([f"lam_{n}" for n in NAMES])
    assert len(dots.get_offsets()) == 21
    np.testing.assert_allclose(dots.get_array(), table["score_wry"])
    lam = table[[f"lam_{n}" for n in NAMES]].to_numpy()
    x = lam[:, 1] + lam[:, 2] / 2
    np.testing.assert_allclose(
        dots.get_offsets(), np.stack([x, lam[:, 2] * 3**0.5 / 2], axis=1), atol=1e-12
    )
    assert texts(ax) == list(NAMES) and ax.get_title() == "wry score"
    assert [b.get_xlabel() for b in ax.child_axes] == ["at α = 1"]
    assert dots.norm.vmin == table["score_wry"].min() and dots.cmap.name == "viridis"
    assert ax.get_aspect() == 1
    drawn(ax)


def test_simplex_is_wide_for_names_and_numbers(triangle: FakeSweep) -> None:
    ax = plot.simplex(triangle, "perplexity", annotate=True)
    assert len(texts(ax)) == 3 + 21 and "5.00" in texts(ax)
    flat = plot.simplex(triangle, "perplexity", attributes=("curt", "warm", "wry"))
    assert texts(flat) == ["curt", "warm", "wry"]
    drawn(flat)


def test_simplex_panels_share_one_scale(triangle: FakeSweep) -> None:
    panels = plot.simplex_panels(triangle)
    assert [p.get_title() for p in panels] == [*(f"{n} score" for n in NAMES), "perplexity"]
    norms = [
        next(c for c in p.collections if isinstance(c, PathCollection)).norm for p in panels[:3]
    ]
    scores = triangle.summary[[f"score_{n}" for n in NAMES]].to_numpy()
    assert {(n.vmin, n.vmax) for n in norms} == {(scores.min(), scores.max())}
    bars = [[b.get_xlabel() for b in panel.child_axes] for panel in panels]
    assert bars == [[], ["all scores at α = 1"], [], ["at α = 1"]]
    drawn(panels)
    (alone,) = plot.simplex_panels(triangle, ["score_wry"], ax=new_axes())
    assert alone.get_title() == "wry score"


def test_a_simplex_of_four_has_four_faces() -> None:
    sweep = fake_sweep(grid.simplex((*NAMES, "odd"), step=0.25))
    with pytest.raises(ValueError, match="three corners, got 4"):
        plot.simplex(sweep)
    ax = plot.simplex(sweep, "score_odd", ("warm", "wry", "odd"))
    (dots,) = [c for c in ax.collections if isinstance(c, PathCollection)]
    assert len(dots.get_offsets()) == 15
    assert len({p.figure for p in plot.auto(sweep)}) == 4
    two = fake_sweep(grid.simplex(NAMES, step=0.5) + grid.simplex(("wry", "curt", "odd"), step=0.5))
    assert faces_of(two.summary) == [NAMES, ("wry", "curt", "odd")]


def test_simplex_says_what_is_wrong(triangle: FakeSweep, line: FakeSweep) -> None:
    with pytest.raises(ValueError, match="must have the column 'self_bleu', it has point"):
        plot.simplex(triangle, "self_bleu")
    with pytest.raises(ValueError, match="three corners, got 1"):
        plot.simplex(line)
    two = triangle.summary.assign(alpha_wry=np.linspace(0, 1, 21))
    with pytest.raises(ValueError, match="wry must have one alpha"):
        plot.simplex(two)
    with pytest.raises(ValueError, match="spans a triangle, the sweep has 6"):
        plot.simplex(triangle.summary[triangle.summary["lam_curt"] == 0], "score_wry", NAMES)
    with pytest.raises(TypeError, match="ax: must be a matplotlib Axes or None, got int"):
        plot.simplex(triangle, ax=3)  # type: ignore[arg-type]


# --- heatmaps


def mesh_of(ax: Axes) -> np.ndarray:
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    return np.ma.filled(mesh.get_array(), np.nan)


def ticks(labels: list[mpl.text.Text]) -> list[str]:
    return [t.get_text() for t in labels]


def test_alpha_lambda_puts_alpha_across(fig5: FakeSweep) -> None:
    ax = plot.alpha_lambda(fig5, "wry")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("α of wry", "λ of wry")
    assert ticks(ax.get_xticklabels()) == ["0", "0.25", "0.5", "0.75", "1"]
    assert ticks(ax.get_yticklabels()) == ["0.4", "0.7", "1"]
    own = fake_sweep(grid.alpha_lambda("wry", NAMES, lams=(0.4, 0.7, 1.0), others=0.0), noise=0)
    truth = own.summary.pivot(index="lam_wry", columns="alpha_wry", values="score_wry")
    np.testing.assert_array_equal(mesh_of(plot.alpha_lambda(own)), truth.to_numpy())
    assert plot.alpha_lambda(own, value="perplexity").get_title() == "perplexity"
    with pytest.raises(ValueError, match="moves alpha and lambda of warm, wry, curt; name one"):
        plot.alpha_lambda(fig5)
    drawn(ax)


def test_alpha_lambda_panels(fig5: FakeSweep) -> None:
    panels = plot.alpha_lambda_panels(fig5)
    assert [p.get_title() for p in panels] == [f"{n} score" for n in NAMES]
    one = fake_sweep(grid.alpha_lambda("wry", NAMES, others=0.0))
    assert [p.get_title() for p in plot.alpha_lambda_panels(one)] == [
        "wry score", "warm score", "curt score",
    ]  # fmt: skip
    several = {"wry": one, "warm": fake_sweep(grid.alpha_lambda("warm", NAMES, others=0.0))}
    assert len(plot.alpha_lambda_panels(several)) == 2
    assert len(plot.alpha_lambda_panels(fig5, "perplexity", ax=new_axes(3))) == 3
    # one scale, one bar beside the last
    assert [len(p.child_axes) for p in panels] == [0, 0, 1]
    drawn(panels)


def test_an_unknown_option_is_an_error(fig5: FakeSweep, triangle: FakeSweep) -> None:
    for draw in (plot.alpha_lambda_panels, lambda s, **o: plot.alpha_lambda(s, "wry", **o)):
        with pytest.raises(TypeError, match=r"options: must be among vmin, .*, got vmn"):
            draw(fig5, vmn=0)
    with pytest.raises(TypeError, match="got color"):
        plot.simplex(triangle, color="red")  # type: ignore[call-arg]


def luminance(rgb: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("cmap", [None, "cividis_r", "Greys", "PuOr_r", "jet", "twilight"])
def test_numbers_read_on_their_cells(cmap: str | None, fig5: FakeSweep) -> None:
    ax = plot.alpha_lambda(fig5, "wry", vmin=0, vmax=1, cmap=cmap)
    values = mesh_of(ax).ravel()
    colours = mpl.colormaps[cmap or "viridis"](values)
    assert len(ax.texts) == len(values) == 15
    for text, value, below in zip(ax.texts, values, colours, strict=True):
        assert text.get_text() == f"{value:.2f}"
        levels = sorted((luminance(below), luminance(mpl.colors.to_rgb(text.get_color()))))
        assert (levels[1] + 0.05) / (levels[0] + 0.05) > 4.5


def test_numbers_that_would_touch_are_left_out() -> None:
    many = fake_sweep(grid.product({"warm": np.linspace(0, 1, 31), "wry": [0, 1]}))
    assert not plot.product(many, "score_warm").texts


def test_no_number_is_a_negative_zero() -> None:
    assert fixed(-0.001) == "0.00" and fixed(-0.006) == "−0.01" and fixed(float("nan")) == ""
    assert number(-0.0) == "0" and number(-1e-3) == "−0.001" and number(float("-inf")) == "−∞"
    table = pd.DataFrame([[1, -0.001], [-0.001, 1]], index=["a", "b"], columns=["a", "b"])
    ax = plot.similarity(table)
    assert texts(ax) == ["0.00", "0.00"]
    drawn(ax)


def test_product_over_two_alphas() -> None:
    sweep = fake_sweep(grid.product({"wry": [0, 0.5, 1], "warm": [0, 1]}), noise=0)
    ax = plot.product(sweep)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("α of wry", "α of warm")
    assert mesh_of(ax).shape == (2, 3)
    np.testing.assert_allclose(mesh_of(ax)[0], mesh_of(ax)[1])
    with pytest.raises(ValueError, match=r"two axes, got 3"):
        plot.product(fake_sweep(grid.product({n: [0, 1] for n in NAMES})))


def test_entanglement_has_the_held_attribute_upright() -> None:
    sweep = fake_sweep(grid.entangle(NAMES))
    areas = analysis.entanglement(sweep)
    ax = plot.entanglement(sweep)
    np.testing.assert_allclose(mesh_of(ax), areas.T.to_numpy())
    assert ax.get_xlabel() == "attribute moved"
    assert ax.get_ylabel() == "attribute held at α = 1 and scored"
    assert ticks(ax.get_yticklabels()) == list(NAMES)
    again = plot.entanglement(areas, ax=new_axes()[0])
    np.testing.assert_allclose(mesh_of(again), areas.T.to_numpy())
    drawn(ax)


def test_similarity_is_signed_only_for_cosines(llama: Case) -> None:
    lm = llama.lm()
    cosine = plot.similarity(lm)
    (mesh,) = [c for c in cosine.collections if isinstance(c, QuadMesh)]
    assert mesh.norm.vmin == -mesh.norm.vmax and mesh.cmap.name.startswith("PuOr")  # type: ignore[operator]
    truth = analysis.similarity(lm).to_numpy()
    off = ~np.eye(len(truth), dtype=bool)
    np.testing.assert_allclose(mesh_of(cosine)[off], truth[off])
    assert np.isnan(np.diagonal(mesh_of(cosine))).all()
    far = plot.similarity(analysis.similarity(lm, "l2"))
    (mesh,) = [c for c in far.collections if isinstance(c, QuadMesh)]
    assert mesh.norm.vmin > 0  # type: ignore[operator]
    assert ticks(far.get_xticklabels()) == list(lm.anchors)
    drawn(far)


# --- scattered points


def test_mds_marks_low_open_and_high_filled(llama: Case) -> None:
    ax = plot.mds(llama.lm(), step=0.5)
    found = {str(ln.get_label()): ln for ln in ax.lines}
    assert {"tone (low)", "tone (high)", "wit (low)", "wit (high)", "base"} <= set(found)
    assert found["tone (low)"].get_markerfacecolor() == "white"
    assert found["tone (high)"].get_markerfacecolor() == colour(0)
    assert ax.get_aspect() == 1 and ax.get_title(loc="right").startswith("stress ")
    table = analysis.mds(analysis.similarity(llama.lm(), "frobenius"))
    plain = plot.mds(table)
    assert "% of variance" in plain.get_xlabel()
    drawn(plain)
    with pytest.raises(ValueError, match="'mds_1'"):
        plot.mds(pd.DataFrame({"x": [1]}))


def test_response_draws_scores_against_weights() -> None:
    sweep = fake_sweep(grid.random(NAMES, 12))
    panels = plot.response(sweep)
    assert [p.get_xlabel() for p in panels] == [f"λ α of {n}" for n in NAMES]
    x = panels[0].lines[0].get_xdata()
    np.testing.assert_allclose(x, sweep.summary["lam_warm"] * sweep.summary["alpha_warm"])


# --- choosing, and manners


def pivoted(table: pd.DataFrame, up: str, across: str, column: str) -> np.ndarray:
    found: np.ndarray = table.pivot(index=up, columns=across, values=column).to_numpy()
    return found


def column_of(title: str) -> str:
    return f"score_{title.removesuffix(' score')}" if title.endswith(" score") else title


def check_line(sweep: FakeSweep, panels: np.ndarray) -> None:
    assert [p.get_ylabel() for p in panels][1] == "perplexity"
    for name in analysis.tables.lines_of(sweep.summary):
        rows = analysis.tables.line_of(sweep.summary, name)
        for panel, column in zip(panels, (f"score_{name}", "perplexity"), strict=False):
            drawn_lines = [c.get_ydata() for c in curves(panel)]
            assert any(np.array_equal(y, rows[column]) for y in drawn_lines)


def check_simplex(sweep: FakeSweep, panels: np.ndarray) -> None:
    table = sweep.summary.sort_values([f"lam_{n}" for n in NAMES])
    assert [p.get_title() for p in panels] == [*(f"{n} score" for n in NAMES), "perplexity"]
    for panel in panels:
        (dots,) = [c for c in panel.collections if isinstance(c, PathCollection)]
        np.testing.assert_allclose(dots.get_array(), table[column_of(panel.get_title())])


def check_alpha_lambda(sweep: FakeSweep, panels: np.ndarray) -> None:
    assert [p.get_title() for p in panels] == ["wry score", "warm score", "curt score"]
    for panel in panels:
        truth = pivoted(sweep.summary, "lam_wry", "alpha_wry", column_of(panel.get_title()))
        np.testing.assert_array_equal(mesh_of(panel), truth)


def check_entangle(sweep: FakeSweep, panels: np.ndarray) -> None:
    np.testing.assert_allclose(mesh_of(panels[0]), analysis.entanglement(sweep).T)


def check_product(sweep: FakeSweep, panels: np.ndarray) -> None:
    assert [p.get_title() for p in panels] == ["warm score", "wry score", "perplexity"]
    for panel in panels:
        truth = pivoted(sweep.summary, "alpha_wry", "alpha_warm", column_of(panel.get_title()))
        np.testing.assert_array_equal(mesh_of(panel), truth)
    # a bar for the scores and one for perplexity
    assert [len(p.child_axes) for p in panels] == [0, 1, 1]


def check_random(sweep: FakeSweep, panels: np.ndarray) -> None:
    for panel, name in zip(panels, sweep.grid.attributes, strict=True):
        assert panel.get_ylabel() == f"{name} score"
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), sweep.summary[f"score_{name}"])


CHECKS: dict[str, Callable[[FakeSweep, np.ndarray], None]] = {
    "line": check_line,
    "simplex": check_simplex,
    "alpha_lambda": check_alpha_lambda,
    "entangle": check_entangle,
    "product": check_product,
    "random": check_random,
}


@pytest.mark.parametrize(
    ("points", "kind", "plain"),
    [
        (grid.line("warm"), "line", "line"),
        (grid.line("warm") + grid.line("wry"), "line", "line"),
        (grid.simplex(NAMES), "simplex", "simplex"),
        (grid.alpha_lambda("wry", NAMES), "alpha_lambda", "alpha_lambda"),
        (grid.entangle(NAMES), "entangle", "entangle"),
        (grid.product({"warm": [0, 1], "wry": [0, 1]}), "product", "product"),
        (grid.product({n: [0, 1] for n in NAMES}), "random", "random"),
        (grid.random(NAMES, 8), "random", "random"),
        (grid.custom([Point({"warm": 0.5}), Point({"warm": 1.0, "wry": 0.0})]), "random", "random"),
        (grid.custom([Point({"warm": 0.5})]), "random", "random"),
    ],
)
def test_auto_draws_every_kind(points: grid.Grid, kind: str, plain: str) -> None:
    sweep = fake_sweep(points)
    # the points alone say the same
    assert (kind_of(sweep), kind_of(sweep.summary)) == (kind, plain)
    panels = plot.auto(sweep)
    CHECKS[kind](sweep, panels)
    drawn(panels)


# --- texts


def word(ax: Axes, text: str) -> Text:
    return next(t for t in ax.texts if t.get_text() == text)


def spoken(sweep: FakeSweep, say: Callable[[pd.Series], str]) -> FakeSweep:
    sweep.frame["text"] = sweep.frame.apply(say, axis=1)
    sweep.frame["finish_reason"] = "eos"
    return sweep


def test_texts_mark_what_differs_from_the_base() -> None:
    points = grid.custom([Point({"warm": 1.0}), Point({}), Point({"warm": 0.0})])
    sweep = spoken(fake_sweep(points), lambda r: "same beginning" + (" warmed" * (r["point"] == 0)))
    ax = plot.texts(sweep, prompts=1)
    assert ticks(ax.get_xticklabels()) == [PROMPTS[0]]
    assert ticks(ax.get_yticklabels()) == ["warm α 1", "base", "warm α 0"]
    assert ax.get_xlabel() == "prompt; marked words differ from the base's text"
    assert word(ax, "warmed").get_weight() == "bold" != word(ax, "same").get_weight()
    assert [t.get_text() for t in ax.texts].count("same") == 3
    drawn(ax)


def test_texts_without_a_base_name_the_anchor(line: FakeSweep) -> None:
    ax = plot.texts(line)
    alphas = ticks(ax.get_yticklabels())
    assert len(alphas) == 9 and {"−3", "0", "1", "4"} <= set(alphas)
    assert "warm α 0 (no swept point is the base)" in ax.get_xlabel()
    assert ax.get_ylabel() == "α of warm"
    few = plot.texts(line, prompts=[2, 0], points=[14, 3])
    assert ticks(few.get_yticklabels()) == ["4", "−1.5"]
    assert ticks(few.get_xticklabels()) == [PROMPTS[2], PROMPTS[0]]
    drawn(ax)


def test_texts_end_at_a_word_and_stay_in_their_cells(line: FakeSweep) -> None:
    long = spoken(fake_sweep(line.grid), lambda r: "wording " * 200)
    ax = plot.texts(long, prompts=2, points=[0, 1])
    assert {t.get_text() for t in ax.texts if "wording" in t.get_text()} == {"wording", "wording…"}
    mine = plot.texts(long, 2, [0, 1], ax=Figure((5, 1.6)).subplots())
    assert 0 < len(mine.texts) < len(ax.texts)
    assert "wording…" in texts(mine)
    for drawing in (ax, mine):
        figure_of(drawing).canvas.draw()
        for text in drawing.texts:
            box, cells = text.get_window_extent(), drawing.get_window_extent()
            assert cells.x0 <= box.x0 and box.x1 <= cells.x1 + 1
            assert cells.y0 - 1 <= box.y0 and box.y1 <= cells.y1 + 1


def test_a_text_cut_inside_a_word_loses_that_word(line: FakeSweep) -> None:
    sweep = spoken(fake_sweep(line.grid), lambda r: "a whole wor")
    sweep.frame["finish_reason"] = "length"
    sweep.frame["base_perplexity"] = 12.3456
    said = texts(plot.texts(sweep, 1, [0]))
    assert "whole…" in said and "wor" not in said
    score = sweep.frame["score_warm"].iloc[0]
    assert f"warm {score:.2f}  base perplexity 12.35" in said


def test_texts_say_what_is_wrong(line: FakeSweep) -> None:
    with pytest.raises(TypeError, match=r"must be a contlm\.Sweep or its frame"):
        plot.texts(line.summary)
    with pytest.raises(ValueError, match="prompts: must be at least 1, got 0"):
        plot.texts(line, 0)
    with pytest.raises(ValueError, match=r"prompts: must be among the sweep's 0 to 2, got \[7\]"):
        plot.texts(line, [7])
    with pytest.raises(ValueError, match=r"points: must be among .* 0 to 14, got \[15\]"):
        plot.texts(line, points=[15])


def test_save_keeps_text_as_text(triangle: FakeSweep, tmp_path: Path) -> None:
    ax = plot.simplex(triangle)
    plot.save(ax, tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert ">warm</text>" in svg and "<image" not in svg
    plot.save(plot.simplex_panels(triangle), tmp_path / "a.pdf")
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pdf", "a.svg"]
    with pytest.raises(ValueError, match=r"must end in \.pdf"):
        plot.save(ax, tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="make it first"):
        plot.save(ax, tmp_path / "none" / "a.pdf")
    with pytest.raises(ValueError):
        plot.save(ax, tmp_path / "a.nonsense")
    assert len(list(tmp_path.iterdir())) == 2


def test_settings_stay_the_callers(line: FakeSweep) -> None:
    before = dict(mpl.rcParams)
    (ax,) = new_axes()
    size = ax.xaxis.label.get_size()
    plot.alpha_curve(line, ax=ax)
    assert dict(mpl.rcParams) == before and ax.xaxis.label.get_size() == size


def test_pyplot_is_used_only_where_it_is_in_use() -> None:
    code = """
import sys
sys.path.insert(0, {tests!r})
import matplotlib; matplotlib.use("agg")
from contlm import grid, plot
from fake_sweep import fake_sweep
sweep = fake_sweep(grid.line("warm"))
plot.auto(sweep)
assert "matplotlib.pyplot" not in sys.modules
import matplotlib.pyplot as plt
ax = plot.alpha_curve(sweep)
assert plt.get_fignums() == [ax.figure.number]
with plot.style.bare_figures():
    plot.alpha_curve(sweep)
assert len(plt.get_fignums()) == 1
"""
    tests = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", code.format(tests=tests)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_categories_differ() -> None:
    looks = {(colour(k), marker(k)) for k in range(49)}
    assert len(looks) == 49
