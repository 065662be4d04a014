"""contlm demo: the models of a world, from one end of an attribute to beyond the other."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contlm import grid
from contlm.cli.common import add_world_argument, new_parser, print_table, world_of
from contlm.interpolator import Interpolator
from contlm.points.point import Point

if TYPE_CHECKING:
    from contlm.model.classifier import Classifier
    from contlm.sweep import Sweep

_EXAMPLE = "  contlm demo --second formality --out ./contlm-demo"

_SECOND_ALPHAS = (0.0, 0.5, 1.0)
_PROMPTS = 6
_SAMPLES = 4
_NEW_TOKENS = 40
_HELDOUT_CHARACTERS = 6000


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "demo", "Steer the bundled models and save a table and a plot.", _EXAMPLE
    )
    parser.add_argument(
        "--out", default="contlm-demo", metavar="DIR", help="(default: ./contlm-demo)"
    )
    add_world_argument(parser)
    parser.add_argument(
        "--second", help="another attribute (default: formality, if the world says no other)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from contlm import zoo

    begun = time.perf_counter()
    world = zoo.find(world_of(arguments))
    attribute, alphas = world.demo.attribute, world.demo.alphas
    second = arguments.second or world.demo.second
    others = [name for name in world.attributes if name != attribute]
    if second not in others:
        raise ValueError(f"--second: must be one of {', '.join(others)}, got {second!r}")
    with tqdm(total=5, unit="step", bar_format="{l_bar}{bar}| {elapsed}") as bar:
        bar.set_description("loading the model and its adapters")
        lm = world.load()
        bar.update()
        bar.set_description("loading the attribute classifiers")
        classifiers = {name: world.classifier(name, lm) for name in (attribute, second)}
        bar.update()
        prompts = world.prompts()[:_PROMPTS]
        bar.set_description(f"moving {attribute} from {alphas[0]:g} to {alphas[-1]:g}")
        alone = {attribute: classifiers[attribute]}
        # measured, so that the stable range is that of a sound model and not of coherent text alone
        text = world.heldout_text()[:_HELDOUT_CHARACTERS]
        seed = arguments.seed
        points = grid.custom([Point({attribute: alpha}) for alpha in alphas])
        line = _sweep(lm, prompts, points, _SAMPLES, alone, seed=seed, perplexity_text=text)
        bar.update()
        bar.set_description(f"moving {attribute} and {second} together")
        # half of lambda each
        square = grid.product({attribute: (0.0, 1.0), second: _SECOND_ALPHAS})
        pair = _sweep(lm, prompts[:1], square, 2 * _SAMPLES, classifiers, seed=seed)
        bar.update()
        bar.set_description("saving the table and the plot")
        out = Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        _save(out, line, pair)
        bar.update()
        bar.set_description("done")
    _show(line, pair)
    print(
        f"\nwrote {out / 'demo.png'} and {out / 'demo.csv'} in {time.perf_counter() - begun:.1f} s"
    )
    return 0


def _sweep(
    lm: Interpolator,
    prompts: list[str],
    points: grid.Grid,
    samples: int,
    classifiers: dict[str, Classifier],
    **options: Any,
) -> Sweep:
    return lm.sweep(
        prompts,
        points,
        num_return_sequences=samples,
        max_new_tokens=_NEW_TOKENS,
        classifiers=classifiers,
        progress=False,
        **options,
    )


def _show(line: Sweep, pair: Sweep) -> None:
    attribute, second = pair.grid.attributes
    prompt, texts = line.frame["prompt"].iloc[0], _PROMPTS * _SAMPLES
    print(f"\n{attribute} alone; the texts shown continue {prompt!r}")
    print(
        f"score: the classifier's mean over {texts} texts at that alpha, 0 is low and 1 is high\n"
        "base_perplexity: theirs under the base model; text that falls apart has a high one\n"
    )
    moved = [f"alpha_{attribute}", f"score_{attribute}", "base_perplexity"]
    print_table(["alpha", "score", "base_perplexity", "text"], _rows(line, moved))
    print(_range_said(line, attribute))
    print(f"\n{attribute} and {second} together, lambda 1/2 each; the same prompt\n")
    shown = [f"{what}_{name}" for what in ("alpha", "score") for name in (attribute, second)]
    headers = [attribute, second, f"score {attribute}", f"score {second}", "text"]
    print_table(headers, _rows(pair, shown))


def _range_said(line: Sweep, attribute: str) -> str:
    """The stable range, and which of its ends are merely those of the sweep."""
    from contlm import analysis
    from contlm.plot.labels import range_label

    low, high = analysis.stable_range(line, attribute)
    if math.isnan(low):
        return "\nno stable range: not even alpha 0 to 1 is"
    shown = range_label((low, high), analysis.limits_reached(line, attribute))
    return (
        f"\nstable range: alpha in {shown} (score monotone, model sound, texts coherent: "
        "contlm.analysis.stable_range)"
    )


def _rows(sweep: Sweep, columns: list[str]) -> list[list[str]]:
    """A row for each point: some columns of the summary, then the point's first text."""
    texts = sweep.frame.groupby("point")["text"].first()
    return [
        [f"{point[c]:g}" if c.startswith("alpha") else f"{point[c]:.2f}" for c in columns]
        + [" ".join(texts[point["point"]].split())]
        for _, point in sweep.summary.iterrows()
    ]


def _save(out: Path, line: Sweep, pair: Sweep) -> None:
    import matplotlib as mpl
    import pandas as pd

    from contlm import plot
    from contlm.plot.style import bare_figures, panel_axes

    parts = [line.frame.assign(part="line"), pair.frame.assign(part="grid")]
    pd.concat(parts, ignore_index=True).to_csv(out / "demo.csv", index=False)
    scores = [f"score_{name}" for name in pair.grid.attributes]
    with bare_figures(), mpl.rc_context(plot.STYLE):
        axes = panel_axes(None, 1 + len(scores), height=2.6)
        plot.alpha_curve(line, line.grid.attributes[0], ax=axes[0])
        plot.product_panels(pair, scores, ax=axes[1:])
        plot.save(axes, out / "demo.png", dpi=200)
