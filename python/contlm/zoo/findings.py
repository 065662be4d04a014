"""``python -m contlm.zoo.findings``: the tables of docs/findings.md, measured on the bundled
models.

Each table stands in the page between ``<!-- name -->`` and ``<!-- /name -->``; with ``--write`` it
is put there, and the words around it stay as they are.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pandas as pd

from contlm import analysis, grid, zoo
from contlm._common.files import whole_file
from contlm._native import __version__
from contlm.model.classifier import Classifier
from contlm.sweep import Sweep

LINE = (-3.0, 4.0, 0.5)
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
TRIANGLES = (("sentiment", "politeness", "simplicity"), ("humor", "formality", "simplicity"))


class Findings:
    """The bundled models with what judges them; every method measures, and gives its tables."""

    def __init__(self, prompts: int, samples: int, seed: int) -> None:
        self.lm = zoo.load()
        self._prompts = zoo.prompts()[:prompts]
        self._options: dict[str, Any] = {
            "num_return_sequences": samples,
            "seed": seed,
            "classifiers": {
                name: Classifier.from_pretrained(zoo.classifier_path(name))
                for name in self.lm.attributes
            },
        }

    def setting(self) -> str:
        """What was measured, on which models."""
        made = self._sweep(grid.line("humor", 0, 1, 1)).manifest
        base = made["model"]["base"]["sha256"][:12]
        samples, seed = (self._options[key] for key in ("num_return_sequences", "seed"))
        return (
            f"{len(self._prompts)} prompts, {samples} samples of 32 new tokens each, seed {seed}, "
            f"temperature 1; base model `{base}`, contlm {__version__}.\n"
        )

    def lines(self) -> dict[str, str]:
        """One attribute alone, between its ends and beyond them."""
        names = self.lm.attributes
        inner = self._sweep(reduce(add, [grid.line(name) for name in names]))
        outer = self._sweep(reduce(add, [grid.line(name, *LINE) for name in names]), True)
        scores, perplexity, coherence, diversity = [], [], [], []
        for name in names:
            near, far = _line(inner, name), _line(outer, name)
            own = near[f"score_{name}"]
            rises = "yes" if own.is_monotonic_increasing else "no"
            low, high = analysis.stable_range(outer, name)
            scores.append([name, *_two(own.loc[list(QUARTERS)]), rises, f"{low:g} to {high:g}"])
            perplexity.append([name, *_two(far.loc[list(SHOWN), "perplexity"])])
            coherence.append([name, *_two(far.loc[list(SHOWN), "base_perplexity"])])
            diversity += [
                [f"{name}, dist-{n}", *_two(far.loc[list(SHOWN), f"dist_{n}"])] for n in (1, 3)
            ]
        alphas = [f"{alpha:g}" for alpha in SHOWN]
        beyond = [
            [name, *_two(_line(outer, name).loc[list(SHOWN), f"score_{name}"])] for name in names
        ]
        quarters = [f"{alpha:g}" for alpha in QUARTERS]
        return {
            "scores": _table(["alpha", *quarters, "rises", "stable range"], scores),
            "beyond": _table(["alpha", *alphas], beyond),
            "perplexity": _table(["alpha", *alphas], perplexity),
            "coherence": _table(["alpha", *alphas], coherence),
            "diversity": _table(["alpha", *alphas], diversity),
        }

    def simplices(self) -> dict[str, str]:
        """The corners of two triangles at both ends, and the perplexity of what lies between."""
        corners, bounds = [], []
        for names in TRIANGLES:
            for alpha in (1.0, 0.0):
                table = self._sweep(grid.simplex(names, alpha=alpha), True).summary
                for at in names:
                    row = table[table[f"lam_{at}"] == 1].iloc[0]
                    inside = _two(row[f"score_{of}"] for of in names)
                    corners.append([", ".join(names), f"{alpha:g}", at, *inside])
                alone = table.filter(like="lam_").max(axis=1) == 1
                worst, best = table.loc[alone, "perplexity"].max(), table["perplexity"].min()
                mixed = table.loc[~alone, "perplexity"].max()
                bounds.append([", ".join(names), f"{alpha:g}", *_two([worst, mixed, best])])
        ends = [f"score of the {k}" for k in ("first", "second", "third")]
        return {
            "corners": _table(["triangle", "alpha", "corner", *ends], corners),
            "mixtures": _table(
                ["triangle", "alpha", "worst corner", "worst mixture", "best point"], bounds
            ),
        }

    def five(self) -> dict[str, str]:
        """How far alpha carries the score at each lambda, among all five attributes."""
        names = self.lm.attributes
        rows = []
        for name in names:
            plane = self._sweep(grid.alpha_lambda(name, names, (0.0, 1.0))).summary.pivot_table(
                index=f"lam_{name}", columns=f"alpha_{name}", values=f"score_{name}"
            )
            cells = [f"{low:.2f} to {high:.2f}" for low, high in plane.to_numpy()]
            rows.append([name, *cells])
        return {"five": _table(["lambda", *(f"{lam:g}" for lam in plane.index)], rows)}

    def entangled(self) -> dict[str, str]:
        """What the move of one attribute does to another, held at either end."""
        tables = {}
        for held, end in ((1.0, "high"), (0.0, "low")):
            areas = analysis.entanglement(self._sweep(grid.entangle(self.lm.attributes, held=held)))
            rows = [[moved, *_two(areas.loc[moved])] for moved in areas.index]
            tables[f"entanglement {end}"] = _table(["moved", *areas.columns], rows)
        return tables

    def geometry(self) -> dict[str, str]:
        """Cosines of the anchors, in a pair and across attributes, and mean squared distances."""
        cosine, distance = analysis.similarity(self.lm), analysis.similarity(self.lm, "l2")
        rows = []
        for name in self.lm.attributes:
            ends = [f"{name}.low", f"{name}.high"]
            others = cosine.drop(index=ends)
            cells = [cosine.loc[ends[0], ends[1]], others[ends[0]].mean(), others[ends[1]].mean()]
            far = [f"{distance.loc[end].sum() / (len(distance) - 1):.0f}" for end in ends]
            rows.append([name, *_two(cells), *far])
        head = ["attribute", "low, high", "low, others", "high, others", "from low", "from high"]
        return {"geometry": _table(head, rows)}

    def _sweep(self, points: grid.Grid, perplexity: bool = False) -> Sweep:
        text = zoo.heldout_text() if perplexity else None
        return self.lm.sweep(self._prompts, points, perplexity_text=text, **self._options)


def fill(page: str, tables: dict[str, str]) -> str:
    """`page` with every table in its place; ValueError for one that has none."""
    for name, table in tables.items():
        place = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        found = place.search(page)
        if found is None:
            raise ValueError(f"findings: the page must hold <!-- {name} --> ... <!-- /{name} -->")
        opened, closed = found[1], found[2]
        page = page[: found.start()] + opened + table + closed + page[found.end() :]
    return page


def _line(sweep: Sweep, name: str) -> pd.DataFrame:
    table = sweep.summary
    return table[table[f"alpha_{name}"].notna()].set_index(f"alpha_{name}")


def _two(values: Iterable[float]) -> list[str]:
    return [f"{v:.2f}" if v < 100 else f"{v:.0f}" for v in values]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines).replace("nan", "")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m contlm.zoo.findings", description=__doc__)
    parser.add_argument("--prompts", type=int, default=96)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="a page, to put the tables into")
    arguments = parser.parse_args()
    found = Findings(arguments.prompts, arguments.samples, arguments.seed)
    tables = {"setting": found.setting()} | found.lines() | found.simplices()
    tables |= found.five() | found.entangled() | found.geometry()
    if arguments.write is None:
        print("\n".join(f"{name}\n\n{table}" for name, table in tables.items()))
        return
    page = fill(arguments.write.read_text(encoding="utf-8"), tables)
    with whole_file(arguments.write) as beside:
        beside.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
