"""contlm demo: the bundled models, from one end of an attribute to beyond the other."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contlm.classifier import Classifier
from contlm.cli.common import new_parser, print_table
from contlm.interpolator import Interpolator
from contlm.point import Point

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLE = "  contlm demo --second formality --out ./contlm-demo"

_ATTRIBUTE = "sentiment"
_ALPHAS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
_SECOND_ALPHAS = (0.0, 0.5, 1.0)
_PROMPTS = 6
_SAMPLES = 4
_NEW_TOKENS = 40


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "demo", "Steer the bundled models and save a table and a plot.", _EXAMPLE
    )
    parser.add_argument(
        "--out", default="contlm-demo", metavar="DIR", help="(default: ./contlm-demo)"
    )
    parser.add_argument("--second", default="formality", help="(default: formality)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from contlm import zoo

    begun = time.perf_counter()
    second = arguments.second
    with tqdm(total=5, unit="step", bar_format="{l_bar}{bar}| {elapsed}") as bar:
        bar.set_description("loading the bundled model and its adapters")
        lm = zoo.load()
        if second not in lm.attributes or second == _ATTRIBUTE:
            others = [a for a in lm.attributes if a != _ATTRIBUTE]
            raise ValueError(f"--second: must be one of {', '.join(others)}, got {second!r}")
        bar.update()
        bar.set_description("loading the attribute classifiers")
        classifiers = {
            name: Classifier.from_pretrained(zoo.classifier_path(name))
            for name in (_ATTRIBUTE, second)
        }
        bar.update()
        prompts = list(zoo.prompts())[:_PROMPTS]
        bar.set_description(f"moving {_ATTRIBUTE} from {_ALPHAS[0]:g} to {_ALPHAS[-1]:g}")
        alone = {_ATTRIBUTE: classifiers[_ATTRIBUTE]}
        line = _line(lm, prompts, alone, arguments.seed)
        bar.update()
        bar.set_description(f"moving {_ATTRIBUTE} and {second} together")
        grid = _grid(lm, prompts[0], second, classifiers, arguments.seed)
        bar.update()
        bar.set_description("saving the table and the plot")
        out = Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        _save(out, line, grid, second)
        bar.update()
        bar.set_description("done")
    _show(line, grid, second, prompts[0])
    print(
        f"\nwrote {out / 'demo.png'} and {out / 'demo.csv'} in {time.perf_counter() - begun:.1f} s"
    )
    return 0


def _line(
    lm: Interpolator, prompts: list[str], classifiers: dict[str, Classifier], seed: int
) -> pd.DataFrame:
    """One row a text, sentiment moved alone over every prompt."""
    points = [Point({_ATTRIBUTE: alpha}) for alpha in _ALPHAS]
    return _texts(lm, prompts, points, _SAMPLES, classifiers, seed).assign(part="line")


def _grid(
    lm: Interpolator, prompt: str, second: str, classifiers: dict[str, Classifier], seed: int
) -> pd.DataFrame:
    """One row a text of one prompt, both attributes moved with half of lambda each."""
    points = [
        Point({_ATTRIBUTE: first, second: other})
        for first in (0.0, 1.0)
        for other in _SECOND_ALPHAS
    ]
    return _texts(lm, [prompt], points, 2 * _SAMPLES, classifiers, seed).assign(part="grid")


def _texts(
    lm: Interpolator,
    prompts: list[str],
    points: list[Point],
    samples: int,
    classifiers: dict[str, Classifier],
    seed: int,
) -> pd.DataFrame:
    """All points in one call: rows that stand at different points share a batch."""
    out = lm.generate(
        [prompt for _ in points for prompt in prompts],
        point=[point for point in points for _ in prompts],
        num_return_sequences=samples,
        max_new_tokens=_NEW_TOKENS,
        seed=seed,
    )
    frame = out.to_frame()
    frame["prompt"] = [prompts[i % len(prompts)] for i in out.prompt_index]
    frame = frame.drop(columns="prompt_index")
    for name, classifier in classifiers.items():
        frame[f"score_{name}"] = classifier.score(out.texts)
    return frame


def _show(line: pd.DataFrame, grid: pd.DataFrame, second: str, prompt: str) -> None:
    texts = _PROMPTS * _SAMPLES
    print(f"\n{_ATTRIBUTE} alone; the texts shown continue {prompt!r}")
    print(
        f"score: the classifier's mean over {texts} texts at that alpha, 0 is low and 1 is high\n"
    )
    rows = []
    for alpha, group in line.groupby(f"alpha_{_ATTRIBUTE}"):
        shown = group[group["prompt"] == prompt].iloc[0]
        rows.append(
            [f"{alpha:g}", f"{group[f'score_{_ATTRIBUTE}'].mean():.2f}", _one_line(shown["text"])]
        )
    print_table(["alpha", "score", "text"], rows)
    print(f"\n{_ATTRIBUTE} and {second} together, lambda 1/2 each; the same prompt\n")
    rows = []
    for (first, other), group in grid.groupby([f"alpha_{_ATTRIBUTE}", f"alpha_{second}"]):
        scores = [f"{group[f'score_{name}'].mean():.2f}" for name in (_ATTRIBUTE, second)]
        rows.append([f"{first:g}", f"{other:g}", *scores, _one_line(group.iloc[0]["text"])])
    print_table([_ATTRIBUTE, second, f"score {_ATTRIBUTE}", f"score {second}", "text"], rows)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _save(out: Path, line: pd.DataFrame, grid: pd.DataFrame, second: str) -> None:
    import pandas as pd

    pd.concat([line, grid], ignore_index=True).to_csv(out / "demo.csv", index=False)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    by_alpha = line.groupby(f"alpha_{_ATTRIBUTE}")[f"score_{_ATTRIBUTE}"]
    mean, error = by_alpha.mean(), by_alpha.std() / np.sqrt(by_alpha.count())
    left.axvspan(0, 1, color="0.93", label="between the anchors")
    left.errorbar(mean.index, mean.values, yerr=error.values, marker="o", capsize=3)
    left.set(xlabel=f"alpha of {_ATTRIBUTE}", ylabel=f"{_ATTRIBUTE} score", ylim=(-0.02, 1.02))
    left.legend(loc="lower right")
    for first, group in grid.groupby(f"alpha_{_ATTRIBUTE}"):
        scores = group.groupby(f"alpha_{second}")[f"score_{second}"].mean()
        right.plot(scores.index, scores.values, marker="o", label=f"{_ATTRIBUTE} at {first:g}")
    right.set(xlabel=f"alpha of {second}", ylabel=f"{second} score", ylim=(-0.02, 1.02))
    right.legend(loc="lower right")
    figure.savefig(out / "demo.png", dpi=120)
