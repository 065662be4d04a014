"""Units on a Ray cluster: actors that open the same models from the same paths."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from contlm._common.checks import as_int
from contlm._common.progress import OnProgress
from contlm.loading.spec import ClassifierSpec, ModelSpec
from contlm.model.classifier import open_specs
from contlm.model.interpolated import InterpolatedModel
from contlm.sweep.plan import Evaluators, SweepPlan
from contlm.sweep.units import Unit
from contlm.sweep.worker import Worker

if TYPE_CHECKING:
    import pyarrow as pa


# a machine that goes away costs the unit that ran there, not the sweep: units are deterministic
_RESTARTS = 3
# how long the driver may be deaf to Ctrl-C
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Models:
    """Everything that an actor opens."""

    lm: ModelSpec
    classifiers: dict[str, ClassifierSpec]
    judge: ModelSpec | None
    threads: int


class RemoteWorker:
    """A Worker in another process; made an actor by `ray_executor`."""

    def __init__(self, plan: SweepPlan, models: Models) -> None:
        torch.set_num_threads(models.threads)
        self._lm = InterpolatedModel.from_spec(models.lm)
        opened = [(models.lm, self._lm)]
        judge = None
        if models.judge is not None:
            judge = InterpolatedModel.from_spec(models.judge)
            opened.append((models.judge, judge))
        self._evaluators = Evaluators(open_specs(models.classifiers, opened), judge)
        self._worker = Worker(plan, self._lm, self._evaluators)

    def fingerprints(self) -> dict[str, Any]:
        return fingerprints(self._lm, self._evaluators)

    def compute(self, unit: Unit) -> pa.Table:
        return self._worker.compute(unit)


class RayExecutor:
    """Hands each idle actor the next unit."""

    def __init__(self, actors: list[Any]) -> None:
        self._actors = actors

    def run(
        self, units: Iterable[Unit], on_progress: OnProgress
    ) -> Iterator[tuple[Unit, pa.Table]]:
        import ray

        waiting, idle = deque(units), list(self._actors)
        running: dict[Any, tuple[Unit, Any]] = {}
        while waiting or running:
            while waiting and idle:
                unit, actor = waiting.popleft(), idle.pop()
                running[actor.compute.remote(unit)] = (unit, actor)
            done, _ = ray.wait(list(running), timeout=_POLL_SECONDS)
            for reference in done:
                unit, actor = running.pop(reference)
                idle.append(actor)
                yield unit, _result(reference)


def fingerprints(lm: InterpolatedModel, evaluators: Evaluators) -> dict[str, Any]:
    """The hashes of every model, without where it came from."""
    return {
        "model": _hashes(lm.fingerprint),
        "classifiers": {
            name: classifier.fingerprint["sha256"]
            for name, classifier in evaluators.classifiers.items()
        },
        "judge": None if evaluators.judge is None else _hashes(evaluators.judge.fingerprint),
    }


@contextmanager
def ray_executor(
    plan: SweepPlan,
    lm: InterpolatedModel,
    evaluators: Evaluators,
    units: int,
    *,
    workers: int | None = None,
    address: str | None = None,
) -> Iterator[RayExecutor]:
    """Actors on the cluster that is connected, that `address` names, or on a local one.

    workers: actors; None takes as many as the cluster's processors can hold. Each gets as many
    threads as the sweeping process has, since another number may round differently.
    """
    ray = _import_ray()
    models = _portable(lm, evaluators)
    count = None if workers is None else as_int("executor: workers", workers)
    if count is not None and count < 1:
        raise ValueError(f"executor: workers must be at least 1, got {count}")
    started = not ray.is_initialized()
    if started:
        local = {} if address or count is None else {"num_cpus": count * models.threads}
        ray.init(address=address, log_to_driver=False, configure_logging=False, **local)
    actors: list[Any] = []
    try:
        gpus = 1 if models.lm.device == "cuda" else 0
        actors += _start_actors(plan, models, min(units, _fitting(ray, models, gpus, count)), gpus)
        _require_same(actors, fingerprints(lm, evaluators))
        yield RayExecutor(actors)
    except KeyboardInterrupt:
        # stopping a local cluster takes more than the second that Ctrl-C may: it ends with us
        started = False
        raise
    finally:
        for actor in actors:
            with suppress(Exception):
                ray.kill(actor)
        if started:
            ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ValueError(
            "executor: 'ray' needs the package ray; pip install 'contlm[ray]'"
        ) from None
    return ray


def _portable(lm: InterpolatedModel, evaluators: Evaluators) -> Models:
    threads = torch.get_num_threads()
    judge = evaluators.judge
    if lm.spec is not None and lm.spec.threads:
        threads = lm.spec.threads
    return Models(
        lm.spec.portable(threads),
        {
            name: classifier.spec.portable(threads)
            for name, classifier in evaluators.classifiers.items()
        },
        None if judge is None else judge.spec.portable(threads),
        threads,
    )


def _fitting(ray: Any, models: Models, gpus: int, wanted: int | None) -> int:
    """How many actors to start: those wanted, or those that fit; ValueError where they do not."""
    there = ray.cluster_resources()
    fit = int(there.get("CPU", 0)) // models.threads
    if gpus:
        fit = min(fit, int(there.get("GPU", 0)))
    if fit < (wanted or 1):
        raise ValueError(
            f"executor: the cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} "
            f"GPUs, too few for {wanted or 1} workers of {models.threads} threads"
            f"{' and a GPU' if gpus else ''}; open the models with fewer threads="
        )
    return wanted or fit


def _start_actors(plan: SweepPlan, models: Models, count: int, gpus: int) -> list[Any]:
    import ray

    remote = ray.remote(RemoteWorker).options(
        num_cpus=models.threads,
        num_gpus=gpus,
        max_restarts=_RESTARTS,
        max_task_retries=_RESTARTS,
    )
    shared = ray.put(plan)
    return [remote.remote(shared, models) for _ in range(max(1, count))]


def _require_same(actors: list[Any], own: dict[str, Any]) -> None:
    """ValueError unless every actor opened the very files that this process has."""
    import ray

    references = [actor.fingerprints.remote() for actor in actors]
    while ray.wait(references, num_returns=len(references), timeout=_POLL_SECONDS)[1]:
        pass
    for reference in references:
        found = _result(reference)
        if found != own:
            raise ValueError(
                "executor: a worker opened other files than this process under the same path "
                f"(their hashes differ: {found} there, {own} here); give every machine the same"
            )


def _result(reference: Any) -> Any:
    """What a remote call returned, or its own error as it was raised there."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except ray.exceptions.RayError as error:
        raise ChildProcessError(
            f"executor: a worker died and could not be started again: {error}"
        ) from error


def _hashes(fingerprint: dict[str, Any]) -> dict[str, Any]:
    anchors = {name: anchor["sha256"] for name, anchor in fingerprint["anchors"].items()}
    return {
        "base": fingerprint["base"]["sha256"],
        "tokenizer": fingerprint["tokenizer"],
        "anchors": anchors,
    }
