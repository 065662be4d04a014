"""What a user trains: the two anchors of an attribute, a classifier, mixtures of both ends."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from contlm.train.adapters import ClassTask, LanguageTask, open_base
from contlm.train.examples import Examples, read_examples
from contlm.train.job import Job, OnProgress, PathLike
from contlm.train.presets import Preset, preset_of

ENDS = ("low", "high")


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
    job = _job(base, data, out, attribute, text, label, preset, steps, seed, resume, progress)
    low, high = (
        job.adapter(
            f"{attribute}-{end}",
            f"The {end} anchor of {attribute}",
            LanguageTask(),
            job.language_rows(job.examples.texts("train", side)),
            job.language_rows(job.examples.texts("valid", side)),
            {"label": side},
        )
        for side, end in enumerate(ENDS)
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
    probability; a text is read at its last token. Arguments and errors as for `anchors`. Train it
    on other texts than the anchors that it is to judge.
    """
    job = _job(base, data, out, attribute, text, label, preset, steps, seed, resume, progress)
    labels = job.examples.labels
    return job.adapter(
        f"{attribute}-classifier",
        f"A classifier of {attribute}",
        ClassTask(labels),
        job.labelled_rows("train"),
        job.labelled_rows("valid"),
        {"labels": labels},
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

    Each sees as many texts as the smaller class has. Other arguments and errors as for `anchors`.
    """
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ValueError(f"fractions: must lie between 0 and 1, got {fraction!r}")
    job = _job(base, data, out, attribute, text, label, preset, steps, seed, resume, progress)
    return {
        fraction: job.adapter(
            f"{attribute}-{fraction:g}",
            f"A mixture of {attribute}, {fraction:.0%} high",
            LanguageTask(),
            job.language_rows(mixed(job.examples, "train", fraction, seed)),
            job.language_rows(mixed(job.examples, "valid", fraction, seed)),
            {"fraction": fraction},
        )
        for fraction in fractions
    }


def mixed(examples: Examples, split: str, fraction: float, seed: int) -> list[str]:
    """As many texts as the smaller class has, `fraction` of them of label 1."""
    low, high = examples.texts(split, 0), examples.texts(split, 1)
    count = min(len(low), len(high))
    of_high = round(count * fraction)
    draw = random.Random(f"{seed}/{split}")
    draw.shuffle(low)
    draw.shuffle(high)
    return low[: count - of_high] + high[:of_high]


def _job(
    base: PathLike,
    data: PathLike,
    out: PathLike,
    attribute: str,
    text: str,
    label: str,
    preset: str | Preset,
    steps: int | None,
    seed: int,
    resume: bool,
    progress: bool | OnProgress,
) -> Job:
    """The arguments that the three share, checked and opened; the cheap checks first."""
    if not attribute or Path(attribute).name != attribute or attribute.startswith("."):
        raise ValueError(f"attribute: must be a name for a folder, got {attribute!r}")
    if steps is not None and (isinstance(steps, bool) or int(steps) != steps or steps < 1):
        raise ValueError(f"steps: must be a whole number from 1, or None, got {steps!r}")
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise ValueError(f"seed: must be a whole number from 0, got {seed!r}")
    settings = preset_of(preset)
    examples = read_examples(data, text, label)
    for side, end in enumerate(ENDS):
        if not examples.texts("train", side):
            labels = sorted({row.label for row in examples.rows if row.split == "train"})
            raise ValueError(
                f"{examples.name}: must hold texts of label {side}, the {end} end, to train on, "
                f"got labels {labels}"
            )
    folder = Path(out).expanduser()
    return Job(open_base(base), examples, folder, settings, steps, seed, resume, progress)
