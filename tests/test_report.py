"""The page: it parses, holds everything itself, escapes what it shows, and appears whole."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import contlm
import matplotlib.figure
import pytest
from contlm import grid
from contlm.cli import main
from fake_sweep import PROMPTS, FakeSweep, fake_sweep

NAMES = ("warm", "wry", "curt")
VOID = {"meta", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """A parse that holds tags to their nesting and collects what the page says and asks for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.asked: list[str] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"]] if found.get("id") else []
        self.asked += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes {self.open[-3:]}"

    def handle_data(self, data: str) -> None:
        self.said.append(data)


GRIDS = {
    "line": grid.line("warm", start=-1, stop=2),
    "lines": grid.line("warm") + grid.line("wry"),
    "simplex": grid.simplex(NAMES),
    "faces": grid.simplex((*NAMES, "odd"), step=0.5),
    "alpha_lambda": grid.alpha_lambda("wry", NAMES),
    "entangle": grid.entangle(NAMES),
    "product": grid.product({"warm": [0, 1], "wry": [0, 1]}),
    "random": grid.random(NAMES, 5),
}


def written(sweep: FakeSweep, folder: Path) -> str:
    path = contlm.report(sweep, folder / "page.html")
    assert path == folder / "page.html" and [p.name for p in folder.iterdir()] == ["page.html"]
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", GRIDS)
def test_a_page_of_every_grid(kind: str, tmp_path: Path) -> None:
    text = written(fake_sweep(GRIDS[kind]), tmp_path)
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert "svg" in page.tags and "table" in page.tags
    # nothing runs, nothing is fetched: links lead into the page itself
    assert not {"script", "link", "img", "image", "iframe"} & set(page.tags)
    assert all(target.startswith("#") and target[1:] in page.ids for target in page.asked)
    assert not re.findall(r"url\((?!#)|@import", text)
    assert all(t in page.ids for t in re.findall(r"url\(#([^)]+)\)", text))
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.S):
        ET.fromstring(svg)


def test_texts_are_shown_and_escaped(tmp_path: Path) -> None:
    text = written(fake_sweep(GRIDS["line"]), tmp_path)
    said = "".join(Page(text).said)
    assert "<script" not in text and "<script>alert(0)</script> & text 0.0 🙂" in said
    assert all(prompt in said for prompt in PROMPTS)
    assert html.escape(PROMPTS[1]) in text


def heads(text: str, table: int) -> list[str]:
    """The texts of a table's column heads."""
    found = re.findall(r"<thead>(.*?)</thead>", text, flags=re.S)[table]
    return re.findall(r"<th scope='col'>(.*?)</th>", found)


def row_names(text: str) -> list[str]:
    """What names the rows of the grid of texts."""
    return re.findall(r"<th scope='row'>(.*?)</th>", text[text.index("class='texts'") :])


def test_texts_stand_points_down_and_prompts_across(tmp_path: Path) -> None:
    text = written(fake_sweep(GRIDS["line"]), tmp_path)
    assert heads(text, -1) == ["α of warm", *(html.escape(p) + " …" for p in PROMPTS)]
    assert {"−1", "0", "1", "2"} <= set(row_names(text)) and len(row_names(text)) == 9


def test_the_base_and_every_anchor_show(tmp_path: Path) -> None:
    names = [f"a{k}" for k in range(6)]
    lines = [grid.line(n, start=-0.5, stop=1.5, step=0.25) for n in names]
    points = sum(lines[1:], lines[0]) + grid.custom([contlm.Point({})])
    shown = row_names(written(fake_sweep(points, samples=1), tmp_path))
    wanted = {f"{n} α {alpha}" for n in names for alpha in (0, 1)} | {"base"}
    assert wanted <= set(shown) and len(shown) < len(points)


def test_words_that_differ_from_the_base_are_marked(tmp_path: Path) -> None:
    sweep = fake_sweep(grid.custom([contlm.Point({}), contlm.Point({"warm": 1.0})]))
    said = {0: "It was <one> day.", 1: "It was <a very> fine day."}
    sweep.frame["text"] = sweep.frame["point"].map(said)
    sweep.frame["finish_reason"] = "eos"
    text = written(sweep, tmp_path)
    assert "<p>It was &lt;one&gt; day.</p>" in text
    assert "<p>It was <mark>&lt;a very&gt; fine</mark> day.</p>" in text
    assert "marked words differ from the base&#x27;s text" in text


def test_without_a_base_the_page_names_the_anchor(tmp_path: Path) -> None:
    said = "".join(Page(written(fake_sweep(GRIDS["line"]), tmp_path)).said)
    assert "differ from the text of warm α 0 (no swept point is the base)" in said


def test_long_texts_end_at_a_word(tmp_path: Path) -> None:
    sweep = fake_sweep(GRIDS["line"])
    sweep.frame["text"] = "wording " * 500
    cells = re.findall(r"<td><p>(.*?)</p>", written(sweep, tmp_path))
    assert len(cells) == 27
    assert all(c.endswith("wording…") and set(c[:-1].split()) == {"wording"} for c in cells)


def test_the_swept_attribute_comes_first(tmp_path: Path) -> None:
    sweep = fake_sweep(GRIDS["line"], scored=("warm",))
    for table in (sweep.frame, sweep.summary):
        at = list(table.columns).index("score_warm")
        table.insert(at, "score_aloof", 0.25)
        table["base_perplexity"] = 7.125
    text = written(sweep, tmp_path)
    scores = [head for head in heads(text, -2) if head.endswith("score")]
    assert scores == ["warm score", "aloof score"]
    assert "perplexity under the base" in heads(text, -2)
    chips = re.findall(r"</p>(<span.*?)</td>", text)
    assert all(re.search("warm.*aloof 0.25.*base perplexity 7.12", chip) for chip in chips)
    # the summary's column and a panel beside perplexity
    assert text.count("perplexity under the base") == 2


def test_a_limit_that_was_not_reached_is_no_limit(tmp_path: Path) -> None:
    text = written(fake_sweep(grid.line("warm", step=0.25)), tmp_path)
    assert "<td>[0, 1], limits not reached</td>" in text


def test_the_manifest_is_folded(tmp_path: Path) -> None:
    text = written(fake_sweep(GRIDS["line"]), tmp_path)
    assert "<details><summary>manifest</summary>" in text and "<details open" not in text


def test_the_manifest_can_be_read_back(tmp_path: Path) -> None:
    sweep = fake_sweep(GRIDS["simplex"])
    said = Page(written(sweep, tmp_path)).said
    block = next(s for s in said if s.startswith("{"))
    found = json.loads(block)
    assert found["grid"] == {"kind": "simplex", "axes": sweep.grid.axes}
    assert {k: v for k, v in found.items() if k != "grid"} == sweep.manifest


def test_the_summary_holds_the_numbers(tmp_path: Path) -> None:
    sweep = fake_sweep(GRIDS["line"])
    said = "".join(Page(written(sweep, tmp_path)).said)
    for score in sweep.summary["score_warm"]:
        assert f"{score:.2f}" in said
    assert "At all points: warm λ 1." in said and "Stable ranges" in said


def test_the_same_sweep_gives_the_same_page(tmp_path: Path) -> None:
    sweep = fake_sweep(GRIDS["lines"])
    first, second = (contlm.report(sweep, tmp_path / n).read_bytes() for n in ("a.html", "b.html"))
    assert first == second


def test_a_sweep_without_scores_has_a_page(tmp_path: Path) -> None:
    measured = ["perplexity", "base_perplexity", "dist_1", "dist_2", "dist_3"]
    sweep = fake_sweep(GRIDS["line"], scored=(), without=measured)
    sweep.complete = False
    said = "".join(Page(written(sweep, tmp_path)).said)
    assert "No picture" in said and "not complete" in said and PROMPTS[0] in said


def test_many_points_are_cut(tmp_path: Path) -> None:
    sweep = fake_sweep(grid.line("warm", step=1 / 500), samples=1)
    assert "400 of 501 points are shown" in written(sweep, tmp_path)


def test_a_page_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = fake_sweep(GRIDS["line"])
    before = written(sweep, tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        contlm.report(sweep, tmp_path / "page.html")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == before


def test_mistakes(tmp_path: Path) -> None:
    sweep = fake_sweep(GRIDS["line"])
    with pytest.raises(TypeError, match=r"must be a contlm\.Sweep, got DataFrame"):
        contlm.report(sweep.summary, tmp_path / "a.html")
    with pytest.raises(FileNotFoundError, match="make it first"):
        contlm.report(sweep, tmp_path / "none" / "a.html")
    with pytest.raises(IsADirectoryError, match="must name a file"):
        contlm.report(sweep, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_title_of_ones_own(tmp_path: Path) -> None:
    path = contlm.report(fake_sweep(GRIDS["line"]), tmp_path / "a.html", title="Warmth & <wit>")
    assert "<h1>Warmth &amp; &lt;wit&gt;</h1>" in path.read_text(encoding="utf-8")


def test_a_saved_sweep_from_the_command_line(
    text_lm: contlm.Interpolator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "result"
    sweep = text_lm.sweep(
        ["The fox", "One <morning>"], grid.line("tone", step=0.5), max_new_tokens=4, out=saved,
        num_return_sequences=1, perplexity_text="The fox met the dog by the river.",
        progress=False,
    )  # fmt: skip
    assert main(["report", str(saved)]) == 0
    assert str(saved / "report.html") in capsys.readouterr().out
    text = (saved / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "svg" in page.tags and "One <morning>" in "".join(page.said)
    assert "perplexity" in "".join(page.said)
    assert main(["report", str(saved), "--out", str(tmp_path / "p.html"), "--title", "Foxes"]) == 0
    assert "<h1>Foxes</h1>" in (tmp_path / "p.html").read_text(encoding="utf-8")
    assert sweep.report(tmp_path / "q.html").read_text(encoding="utf-8") == text
    # the page lies beside the units and does not disturb them
    assert len(contlm.Sweep.load(saved)) == len(sweep)
    capsys.readouterr()
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.startswith("contlm: ")
