"""Runs a plan: what is finished is taken up, the rest computed, and Ctrl-C keeps what there is."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from contlm._common.progress import work_bar
from contlm.sweep.executors import check_executor, open_executor
from contlm.sweep.manifest import make_manifest
from contlm.sweep.plan import Evaluators, SweepPlan
from contlm.sweep.result import Sweep
from contlm.sweep.store import MemoryStore, open_folder
from contlm.sweep.units import Unit

if TYPE_CHECKING:
    from contlm.model.interpolated import InterpolatedModel


def run_plan(
    lm: InterpolatedModel,
    plan: SweepPlan,
    evaluators: Evaluators,
    *,
    out: str | os.PathLike[str] | None,
    resume: bool,
    progress: bool,
    executor: str | Mapping[str, Any] | None,
) -> Sweep:
    """All units of `plan`, or those that were finished when Ctrl-C came."""
    options = check_executor(executor)
    units = plan.units()
    manifest = make_manifest(lm, plan, evaluators)
    with _open_store(out, manifest, units, resume) as store:
        waiting = [unit for unit in units if unit.index not in store.tables]
        try:
            if waiting:
                _compute(plan, store, waiting, lm, evaluators, options, progress)
        except KeyboardInterrupt:
            _warn_interrupted(len(store.tables), len(units), out)
        return Sweep(store.manifest, store.tables)


def _compute(
    plan: SweepPlan,
    store: MemoryStore,
    waiting: list[Unit],
    lm: InterpolatedModel,
    evaluators: Evaluators,
    options: Mapping[str, Any] | None,
    progress: bool,
) -> None:
    tokens = sum(map(plan.most_tokens, waiting))
    pieces = len(waiting) + len(store.tables)
    with (
        open_executor(options, plan, lm, evaluators, len(waiting)) as execute,
        work_bar(progress, "sweeping", tokens, pieces, len(store.tables)) as bar,
    ):
        for unit, table in execute.run(waiting, bar.moved):
            store.put(unit.index, table)
            made = sum(table.column("new_tokens").to_pylist())
            bar.finished(made, plan.most_tokens(unit))


def _open_store(
    out: str | os.PathLike[str] | None, manifest: dict[str, Any], units: list[Unit], resume: bool
) -> AbstractContextManager[MemoryStore]:
    if out is None:
        return nullcontext(MemoryStore(manifest))
    return open_folder(out, manifest, units, resume)


def _warn_interrupted(finished: int, units: int, out: Any) -> None:
    again = (
        f"the same call with out={os.fspath(out)!r} goes on from there"
        if out is not None
        else "give out=, so that the next one can go on from where it was"
    )
    warnings.warn(
        f"sweep: interrupted with {finished} of {units} units finished, the result holds those; "
        f"{again}",
        RuntimeWarning,
        stacklevel=4,
    )
