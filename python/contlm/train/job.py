"""One call's work: the data and the base that its adapters share, and each adapter's folder."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from contlm._common.files import half_written
from contlm._native import __version__
from contlm.loading.export import EXPORT_NOTE, export_folder
from contlm.train import card
from contlm.train.adapters import Base, Task, quantizes
from contlm.train.batches import Order, Row, labelled_rows, language_rows
from contlm.train.examples import Examples
from contlm.train.loop import Progress, Run, held_out, refuse_other_run, train
from contlm.train.presets import Preset

PathLike: TypeAlias = str | os.PathLike[str]
OnProgress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """What all adapters of one call share."""

    base: Base
    examples: Examples
    out: Path
    preset: Preset
    steps: int | None
    seed: int
    resume: bool
    progress: bool | OnProgress

    def language_rows(self, texts: Sequence[str]) -> list[Row]:
        return language_rows(self.base.tokenizer, texts, self.preset.max_length)

    def labelled_rows(self, split: str) -> list[Row]:
        rows = [row for row in self.examples.rows if row.split == split]
        return labelled_rows(
            self.base.tokenizer,
            [row.text for row in rows],
            [row.label for row in rows],
            self.preset.max_length,
        )

    def adapter(
        self,
        name: str,
        title: str,
        task: Task,
        rows: Sequence[Row],
        unseen: Sequence[Row],
        which: dict[str, Any],
    ) -> Path:
        """Trains one adapter into OUT/NAME, or returns the one that is there.

        unseen: the rows to measure on. which: what tells this adapter's texts from others of the
        same data.
        """
        epoch = Order(rows, self.preset.batch_size, self.seed).batches_per_epoch
        steps = self.steps or self.preset.steps or self.preset.epochs * epoch
        run = Run(task, rows, unseen, self.preset, steps, self.seed, self.base.pad)
        settings = self._settings(run, which)
        target = self.out / name
        checkpoint = self.out / f".{name}.checkpoint.pt"
        if not self.resume:
            checkpoint.unlink(missing_ok=True)
        elif (target / EXPORT_NOTE).is_file():
            note = json.loads((target / EXPORT_NOTE).read_text(encoding="utf-8"))
            refuse_other_run(target, note.get("training", {}).get("settings", {}), settings)
            checkpoint.unlink(missing_ok=True)
            return target
        self.out.mkdir(parents=True, exist_ok=True)
        for left in half_written(self.out, checkpoint.name):
            left.unlink()
        with StepBar(self.progress, name) as bar:
            model, done = train(
                run, lambda: task.model(self.base, self.preset), checkpoint, settings, bar.moved
            )
        self._save(target, title, run, settings, model, done)
        checkpoint.unlink(missing_ok=True)
        return target

    def _save(
        self,
        target: Path,
        title: str,
        run: Run,
        settings: dict[str, Any],
        model: Any,
        done: Progress,
    ) -> None:
        record = {
            "settings": settings,
            "measure": run.task.measure,
            "losses": done.losses,
            "before": done.before,
            "after": held_out(run, model),
            "seconds": round(done.seconds, 3),
        }
        note = {"contlm": __version__, "training": record}
        with export_folder(target, note) as folder:
            model.save_pretrained(str(folder))
            card.write(folder, title, record)

    def _settings(self, run: Run, which: dict[str, Any]) -> dict[str, Any]:
        """All that decides the weights, as JSON holds it."""
        preset = dataclasses.asdict(self.preset)
        del preset["epochs"]
        settings = {
            "base": self.base.name,
            "data": self.examples.name,
            "sha256": self.examples.sha256,
            "texts": len(run.rows),
            **which,
            **preset,
            "quantized": quantizes(self.preset),
            "steps": run.steps,
            "seed": self.seed,
        }
        held: dict[str, Any] = json.loads(json.dumps(settings))
        return held


class StepBar:
    """A bar over a run's steps, with the loss, from the first step that is done in this process."""

    def __init__(self, show: bool | OnProgress, name: str) -> None:
        self._show = show
        self._name = name
        self._bar: Any = None

    def __enter__(self) -> StepBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def moved(self, done: int, steps: int, loss: float) -> None:
        if callable(self._show):
            self._show(done, steps)
        elif self._show:
            self._draw(done, steps, loss)

    def _draw(self, done: int, steps: int, loss: float) -> None:
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=steps, initial=done - 1, desc=self._name, unit="step")
        self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self._bar.update()
