"""What a user trains: the two anchors of an attribute, a classifier, mixtures of both ends."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch

from contlm._native import __version__
from contlm.checkpoint_io import EXPORT_NOTE, export_folder
from contlm.files import half_written
from contlm.train import card
from contlm.train.adapters import Base, ClassTask, LanguageTask, Task, open_base
from contlm.train.batches import Order, Row, labelled_rows, language_rows
from contlm.train.examples import Examples, read_examples
from contlm.train.loop import Progress, Run, held_out_loss, refuse_other_run, train
from contlm.train.presets import Preset, preset_of

PathLike: TypeAlias = str | os.PathLike[str]
OnProgress: TypeAlias = Callable[[int, int], None]


def anchors(
    base: PathLike,
    data: PathLike,
    out: PathLike,
    *,
    attribute: str,
    text: str = "text",
    label: str = "label",
    preset: str | Preset = "cpu",
    steps: int | None = None,
    seed: int = 0,
    resume: bool = True,
    progress: bool | OnProgress = True,
) -> tuple[Path, Path]:
    """Trains the two anchors of an attribute: PEFT adapters in OUT/ATTRIBUTE-low, on the texts of
    label 0, and OUT/ATTRIBUTE-high, on those of label 1.

    base: a decoder's folder or hub id. data: a .csv, .tsv or .jsonl file or a folder that
    `datasets` saved; text and label name its columns, and a column "split", where there is one,
    keeps its "valid" and "test" rows out of training. preset: "cpu", "paper" or a train.Preset.
    steps: of each anchor; None for the preset's steps or epochs. The same seed gives the same
    weights on the same machine and threads, also after a kill: with resume, a run goes on from its
    last checkpoint, and a folder that is finished is returned as it is. progress: a bar, or a
    callable(done, steps).

    ValueError for a folder or a checkpoint of other settings (resume=False trains anew);
    FileExistsError for a folder that holds anything else.
    """
    job = _Job(base, data, out, attribute, text, label, preset, seed, resume, progress)
    found = job.examples
    _need_both_ends(found)
    low, high = (
        job.adapter(
            f"{attribute}-{end}",
            f"the {end} anchor of {attribute}",
            LanguageTask(),
            job.language_rows(found.texts("train", side)),
            job.language_rows(found.texts("valid", side)),
            steps,
            {"label": side},
        )
        for side, end in enumerate(("low", "high"))
    )
    return low, high


def classifier(
    base: PathLike,
    data: PathLike,
    out: PathLike,
    *,
    attribute: str,
    text: str = "text",
    label: str = "label",
    preset: str | Preset = "cpu",
    steps: int | None = None,
    seed: int = 0,
    resume: bool = True,
    progress: bool | OnProgress = True,
) -> Path:
    """Trains a classifier of an attribute: a PEFT SEQ_CLS adapter (LoRA and the `score` head) on
    the same decoder, in OUT/ATTRIBUTE-classifier.

    It has as many logits as there are labels, each trained so that its own sigmoid is a
    probability; a text is read at its last token. Arguments as for `anchors`. Train it on other
    texts than the anchors that it is to judge.
    """
    job = _Job(base, data, out, attribute, text, label, preset, seed, resume, progress)
    found = job.examples
    _need_both_ends(found)
    return job.adapter(
        f"{attribute}-classifier",
        f"a classifier of {attribute}",
        ClassTask(found.labels),
        job.labelled_rows("train"),
        job.labelled_rows("valid"),
        steps,
        {"labels": found.labels},
    )


def mixtures(
    base: PathLike,
    data: PathLike,
    out: PathLike,
    *,
    attribute: str,
    fractions: Sequence[float] = (0.25, 0.5, 0.75),
    text: str = "text",
    label: str = "label",
    preset: str | Preset = "cpu",
    steps: int | None = None,
    seed: int = 0,
    resume: bool = True,
    progress: bool | OnProgress = True,
) -> dict[float, Path]:
    """Trains one adapter per fraction, on that share of texts of label 1 and the rest of label 0,
    in OUT/ATTRIBUTE-FRACTION: what an interpolated model is measured against (the paper's Table 1).

    Each sees as many texts as the smaller class has. Other arguments as for `anchors`.
    """
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ValueError(f"fractions: must lie between 0 and 1, got {fraction!r}")
    job = _Job(base, data, out, attribute, text, label, preset, seed, resume, progress)
    found = job.examples
    _need_both_ends(found)
    return {
        fraction: job.adapter(
            f"{attribute}-{fraction:g}",
            f"a mixture of {attribute}, {fraction:.0%} high",
            LanguageTask(),
            job.language_rows(mixed(found, "train", fraction, seed)),
            job.language_rows(mixed(found, "valid", fraction, seed)),
            steps,
            {"fraction": fraction},
        )
        for fraction in fractions
    }


def mixed(found: Examples, split: str, fraction: float, seed: int) -> list[str]:
    """As many texts as the smaller class has, `fraction` of them of label 1."""
    low, high = found.texts(split, 0), found.texts(split, 1)
    count = min(len(low), len(high))
    of_high = round(count * fraction)
    draw = random.Random(f"{seed}/{split}")
    draw.shuffle(low)
    draw.shuffle(high)
    return low[: count - of_high] + high[:of_high]


class _Job:
    """The arguments that all adapters of one call share."""

    def __init__(
        self,
        base: PathLike,
        data: PathLike,
        out: PathLike,
        attribute: str,
        text: str,
        label: str,
        preset: str | Preset,
        seed: int,
        resume: bool,
        progress: bool | OnProgress,
    ) -> None:
        if not attribute or Path(attribute).name != attribute or attribute.startswith("."):
            raise ValueError(f"attribute: must be a name that can name a folder, got {attribute!r}")
        self.preset = preset_of(preset)
        self.examples = read_examples(data, text, label)
        self.out = Path(out).expanduser()
        self.seed = seed
        self.resume = resume
        self.progress = progress
        self.base: Base = open_base(base)

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
        what: str,
        task: Task,
        rows: Sequence[Row],
        held_out: Sequence[Row],
        steps: int | None,
        which: dict[str, Any],
    ) -> Path:
        """Trains one adapter into OUT/NAME, or returns the one that is there."""
        target = self.out / name
        epoch = Order(rows, self.preset.batch_size, self.seed).batches_per_epoch
        run = Run(task, rows, held_out, self.preset,
                  steps or self.preset.steps or self.preset.epochs * epoch,
                  self.seed, self.base.pad)
        identity = self._identity(run, which)
        if self.resume and (target / EXPORT_NOTE).is_file():
            held = json.loads((target / EXPORT_NOTE).read_text("utf-8")).get("training", {})
            refuse_other_run(str(target), held.get("settings", {}), identity)
            return target
        self.out.mkdir(parents=True, exist_ok=True)
        checkpoint = self.out / f".{name}.checkpoint.pt"
        if not self.resume:
            checkpoint.unlink(missing_ok=True)
        for left in half_written(self.out, checkpoint.name):
            left.unlink()
        with _bar(self.progress, name, run.steps) as on_step:
            model, done = train(run, lambda: task.model(self.base, self.preset), checkpoint,
                                identity, on_step)
        self._save(target, what, run, identity, model, done)
        checkpoint.unlink(missing_ok=True)
        return target

    def _save(self, target: Path, what: str, run: Run, identity: dict[str, Any], model: Any,
              done: Progress) -> None:
        after = held_out_loss(run, model)
        held_out = {"texts": len(run.held_out), "before": done.before, "after": after}
        if isinstance(run.task, ClassTask):
            held_out["accuracy"] = _accuracy(run, run.task, model)
        record = {
            "settings": identity,
            "texts": len(run.rows),
            "measure": run.task.measure,
            "losses": done.losses,
            "held_out": held_out if run.held_out else None,
            "seconds": done.seconds,
        }
        note = {"contlm": __version__, "base": self.base.name, "training": record}
        with export_folder(target, note) as folder:
            model.save_pretrained(str(folder))
            card.write(folder, what, self.base.name, record)

    def _identity(self, run: Run, which: dict[str, Any]) -> dict[str, Any]:
        """The settings that decide the weights, as JSON has them."""
        preset = dataclasses.asdict(self.preset)
        del preset["steps"], preset["epochs"]
        settings = {
            "base": self.base.name,
            "data": self.examples.name,
            "sha256": self.examples.sha256,
            "texts": len(run.rows),
            **which,
            **preset,
            "steps": run.steps,
            "seed": run.seed,
        }
        held: dict[str, Any] = json.loads(json.dumps(settings))
        return held


def _accuracy(run: Run, task: ClassTask, model: Any) -> float:
    """The share of held-out texts whose largest logit is that of their label."""
    from contlm.train.batches import collate

    right = 0
    device = next(model.parameters()).device
    size = run.preset.batch_size
    rows = sorted(run.held_out, key=lambda row: len(row.ids))
    with torch.no_grad():
        for at in range(0, len(rows), size):
            batch = collate(rows[at : at + size], run.pad).to(device)
            right += int((task.logits(model, batch).argmax(-1) == batch.labels).sum())
    return right / max(1, len(rows))


@contextmanager
def _bar(
    show: bool | OnProgress, name: str, steps: int
) -> Iterator[Callable[[int, int, float], None]]:
    """A callback(done, steps, loss) that moves a bar."""
    if callable(show):
        moved = show
        yield lambda done, total, loss: moved(done, total)
        return
    from tqdm.auto import tqdm

    with tqdm(total=steps, desc=name, unit="step", disable=not show) as bar:

        def on_step(done: int, _total: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update(done - bar.n)

        yield on_step


def _need_both_ends(found: Examples) -> None:
    for side, end in ((0, "low"), (1, "high")):
        if not found.texts("train", side):
            raise ValueError(
                f"{found.name}: must hold texts of label {side} (the {end} end) to train on, got "
                f"labels {sorted({row.label for row in found.rows if row.split == 'train'})}"
            )
