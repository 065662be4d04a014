"""The training loop: every step a function of the seed and the step, so that a run that was killed
ends in the weights that it would have had."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch

from contlm._common.files import whole_file
from contlm.train.adapters import Task, trained
from contlm.train.batches import Order, Row, collate
from contlm.train.presets import Preset

CHECKPOINT_STEPS = 10
HELD_OUT_ROWS = 256

OnStep: TypeAlias = Callable[[int, int, float], None]
"""Called with the steps that are done, all steps, and the loss."""


@dataclass
class Progress:
    """What a run has done: losses[i] is that of step i, `before` are the held-out figures of the
    base."""

    before: dict[str, float]
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def step(self) -> int:
        return len(self.losses)


@dataclass(frozen=True)
class Run:
    """One adapter to train: the task, its rows, and how."""

    task: Task
    rows: Sequence[Row]
    held_out: Sequence[Row]
    preset: Preset
    steps: int
    seed: int
    pad: int


def train(
    run: Run,
    build: Callable[[], Any],
    checkpoint: Path,
    identity: dict[str, Any],
    on_step: OnStep,
) -> tuple[Any, Progress]:
    """The trained model, and what training was like.

    checkpoint: a file that holds the run between two of its steps; one that is there is gone on
    from, and ValueError says where it is of another run.
    """
    with _seeded(run.seed, -1):
        model = build()
    device = next(model.parameters()).device
    parameters = trained(model)
    optimizer = torch.optim.AdamW(parameters.values(), weight_decay=run.preset.weight_decay)
    if checkpoint.is_file():
        progress = _restore(checkpoint, identity, parameters, optimizer)
    else:
        progress = Progress(held_out(run, model))
    order = Order(run.rows, run.preset.batch_size, run.seed)
    model.train()
    while progress.step < run.steps:
        step, begun = progress.step, time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = run.preset.learning_rate * run.preset.factor(step, run.steps)
        with _seeded(run.seed, step):
            loss = run.task.losses(model, collate(order.rows(step), run.pad).to(device)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters.values(), run.preset.max_gradient_norm)
        optimizer.step()
        progress.losses.append(float(loss.detach()))
        progress.seconds += time.perf_counter() - begun
        if progress.step % CHECKPOINT_STEPS == 0 or progress.step == run.steps:
            _save(checkpoint, identity, parameters, optimizer, progress)
        on_step(progress.step, run.steps, progress.losses[-1])
    model.eval()
    return model, progress


@torch.no_grad()
def held_out(run: Run, model: Any) -> dict[str, float]:
    """The means of the task's figures over texts that no step sees; empty where there are none."""
    model.eval()
    device = next(model.parameters()).device
    rows = list(run.held_out)
    random.Random(run.seed).shuffle(rows)
    rows = sorted(rows[:HELD_OUT_ROWS], key=lambda row: len(row.ids))
    size = run.preset.batch_size
    found: dict[str, list[torch.Tensor]] = {}
    for at in range(0, len(rows), size):
        batch = collate(rows[at : at + size], run.pad).to(device)
        for name, values in run.task.held_out(model, batch).items():
            found.setdefault(name, []).append(values.flatten())
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


@contextmanager
def _seeded(seed: int, step: int) -> Iterator[None]:
    """torch's generators at a state of this step's own (dropout, new factors), and as they were
    afterwards."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices):
        # a prime stride keeps the steps of neighbouring seeds apart
        torch.manual_seed((seed * 1_000_003 + step + 1) % 2**63)
        yield


def _save(
    file: Path,
    identity: dict[str, Any],
    parameters: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    with whole_file(file) as beside:
        torch.save(
            {
                "identity": json.dumps(identity, sort_keys=True),
                "weights": {name: p.detach() for name, p in parameters.items()},
                "optimizer": optimizer.state_dict(),
                "before": progress.before,
                "losses": progress.losses,
                "seconds": progress.seconds,
            },
            beside,
        )


def _restore(
    file: Path,
    identity: dict[str, Any],
    parameters: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> Progress:
    held = torch.load(file, map_location="cpu", weights_only=True)
    refuse_other_run(file, json.loads(held["identity"]), identity)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(held["weights"][name])
    optimizer.load_state_dict(held["optimizer"])
    return Progress(held["before"], held["losses"], held["seconds"])


def refuse_other_run(where: Path, held: dict[str, Any], asked: dict[str, Any]) -> None:
    """ValueError, naming the settings that differ, where what is there is not what is asked for."""
    different = [
        f"{name} {held.get(name)!r}, asked for {asked.get(name)!r}"
        for name in sorted({*held, *asked})
        if held.get(name) != asked.get(name)
    ]
    if different:
        raise ValueError(
            f"{where}: is of another run ({'; '.join(different)}); give resume=False to train anew"
        )
