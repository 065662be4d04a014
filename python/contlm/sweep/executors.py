"""Who computes the units: this process, or a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from contlm._common.progress import OnProgress
from contlm.sweep.plan import Evaluators, SweepPlan
from contlm.sweep.units import Unit
from contlm.sweep.worker import Worker

if TYPE_CHECKING:
    import pyarrow as pa

    from contlm.model.interpolated import InterpolatedModel

KINDS = ("ray",)


class Executor(Protocol):
    """Computes units, in any order; each comes out as soon as it is finished."""

    def run(
        self, units: Iterable[Unit], on_progress: OnProgress
    ) -> Iterator[tuple[Unit, pa.Table]]: ...


class LocalExecutor:
    """One unit after the other, in this process."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def run(
        self, units: Iterable[Unit], on_progress: OnProgress
    ) -> Iterator[tuple[Unit, pa.Table]]:
        for unit in units:
            yield unit, self._worker.compute(unit, on_progress)


def check_executor(executor: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """None, or {"kind": ..., options}; ValueError for an unknown kind."""
    if executor is None:
        return None
    if not isinstance(executor, str | Mapping):
        raise TypeError(
            f'executor: must be None, "ray" or {{"kind": "ray", ...}}, got '
            f"{type(executor).__name__}"
        )
    options = {"kind": executor} if isinstance(executor, str) else dict(executor)
    if options.get("kind") not in KINDS:
        raise ValueError(f"executor: must be None or among {', '.join(KINDS)}, got {executor!r}")
    return options


def open_executor(
    options: Mapping[str, Any] | None,
    plan: SweepPlan,
    lm: InterpolatedModel,
    evaluators: Evaluators,
    units: int,
) -> AbstractContextManager[Executor]:
    """An executor for at most `units` units."""
    if options is None:
        return nullcontext(LocalExecutor(Worker(plan, lm, evaluators)))
    from contlm.sweep.ray_executor import ray_executor

    rest = {key: value for key, value in options.items() if key != "kind"}
    return ray_executor(plan, lm, evaluators, units, **rest)
