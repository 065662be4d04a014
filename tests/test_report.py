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
    sweep = fake_sweep(
        GRIDS["line"], scored=(), without=["perplexity", "dist_1", "dist_2", "dist_3"]
    )
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
