"""What stands beside an adapter's weights: its card, and its loss curve as a table and a
picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TAIL = 10


def write(folder: Path, title: str, record: dict[str, Any]) -> None:
    """README.md, loss.csv and loss.png of a run's record, into an adapter's folder."""
    losses = record["losses"]
    with (folder / "loss.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss"])
        writer.writerows([step, f"{loss:.6g}"] for step, loss in enumerate(losses, 1))
    _draw(folder / "loss.png", title, record["measure"], losses)
    (folder / "README.md").write_text(_text(title, record), encoding="utf-8")


def _text(title: str, record: dict[str, Any]) -> str:
    settings = record["settings"]
    base = settings["base"]
    losses = record["losses"]
    stated = ("base", "name", "data", "sha256", "texts")
    rows = [
        ("data", f"{settings['data']}, SHA-256 `{settings['sha256']}`"),
        ("texts trained on", str(settings["texts"])),
        ("preset", settings["name"]),
        *((name, str(value)) for name, value in settings.items() if name not in stated),
        ("training loss, first step", f"{losses[0]:.4f} {record['measure']}"),
        (f"training loss, mean of the last {min(_TAIL, len(losses))}", f"{_mean(losses):.4f}"),
        *_held_out(record),
        ("seconds", f"{record['seconds']:.0f}"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        f"---\nbase_model: {json.dumps(base)}\nlibrary_name: peft\ntags: [lora, contlm]\n---\n\n"
        f"# {title}\n\n"
        f"A PEFT LoRA adapter on {base}, trained by `contlm.train`.\n\n"
        f"| | |\n|---|---|\n{table}\n\n![The loss by step](loss.png)\n"
    )


def _held_out(record: dict[str, Any]) -> list[tuple[str, str]]:
    if not record["after"]:
        return [("held out", "nothing: the data have no valid split")]
    return [
        (f"held-out {name}", f"{record['before'][name]:.4f} before, {value:.4f} after")
        for name, value in record["after"].items()
    ]


def _mean(losses: Sequence[float]) -> float:
    tail = losses[-_TAIL:]
    return sum(tail) / len(tail)


def _draw(file: Path, title: str, measure: str, losses: Sequence[float]) -> None:
    # a figure of its own: pyplot's state and back end are the user's
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(1, len(losses) + 1), losses, linewidth=1.2)
    axes.set(xlabel="step", ylabel=f"loss ({measure})", title=title)
    figure.savefig(file, dpi=120)
