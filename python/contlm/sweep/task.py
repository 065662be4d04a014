"""What a sweep is asked to compute, checked and brought to plain values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contlm._common.checks import as_int
from contlm.grid import Grid
from contlm.model.classifier import Classifier
from contlm.model.options import eos_ids, seed_of, stop_list
from contlm.model.prompts import encode_prompts
from contlm.points.coefficients import coefficient_row
from contlm.points.point import Point
from contlm.sweep.units import Unit, cut

if TYPE_CHECKING:
    from contlm.model.interpolated import InterpolatedModel

METRICS = ("score", "perplexity", "dist", "self_bleu", "length")
DEFAULT_METRICS = ("score", "perplexity", "dist")

# arguments of generate that a sweep sets itself
_OWN_ARGUMENTS = {
    "self", "prompts", "alpha", "lam", "point", "coeffs", "schedule", "method", "max_new_tokens",
    "num_return_sequences", "seed", "progress", "streamer",
}  # fmt: skip
_PERPLEXITY_ARGUMENTS = ("max_length", "stride", "protocol")


@dataclass(frozen=True)
class Judges:
    """The models beside the swept one: a classifier an attribute, and a language model or none."""

    classifiers: Mapping[str, Classifier]
    judge: InterpolatedModel | None


@dataclass(frozen=True)
class Task:
    """A sweep's configuration: plain values only, so that it can be written down and sent away.

    prompts: as given, text or token ids; prompt_ids: their token ids; shown: their text.
    attributes: those that the grid names, in the interpolator's order. scores: the classifiers'
    names. perplexity_text: None where there is nothing to measure.
    """

    prompts: Sequence[Any]
    prompt_ids: Sequence[Sequence[int]]
    shown: Sequence[str]
    grid: Grid
    attributes: tuple[str, ...]
    keys: tuple[tuple[float, ...], ...]
    samples: int
    max_new_tokens: int
    seed: int
    sampling: Mapping[str, Any]
    metrics: tuple[str, ...]
    scores: tuple[str, ...]
    perplexity_text: Any
    perplexity_options: Mapping[str, Any]
    judged: bool

    def units(self) -> list[Unit]:
        return cut(self.keys, [tuple(ids) for ids in self.prompt_ids], self.samples)

    def most_tokens(self, unit: Unit) -> int:
        """New tokens of a unit whose rows all run to max_new_tokens."""
        return unit.rows(self.samples) * self.max_new_tokens


def make_task(
    lm: InterpolatedModel,
    prompts: Any,
    points: Any,
    measured: Measured,
    numbers: tuple[int, int, int | None],
    sampling: Mapping[str, Any],
) -> Task:
    """A Task from what lm.sweep is given. numbers: num_return_sequences, max_new_tokens, seed.

    TypeError and ValueError name the argument, what it must be and what it is.
    """
    if lm.tokenizer is None:
        raise ValueError("sweep: needs texts, and the model has no tokenizer; give tokenizer=")
    samples = as_int("num_return_sequences", numbers[0])
    steps = as_int("max_new_tokens", numbers[1])
    for what, count in (("num_return_sequences", samples), ("max_new_tokens", steps)):
        if count < 1:
            raise ValueError(f"{what}: must be at least 1, got {count}")
    grid = bound_grid(points, lm.attributes)
    given = [prompts] if isinstance(prompts, str) else plain("prompts", prompts)
    bos = lm.bos_token_id
    ids = encode_prompts(given, lm.tokenizer, bos, lm.engine.vocab_size)
    is_text = isinstance(given[0], str)
    metrics, text, options = measured.resolve(lm)
    if "self_bleu" in metrics and samples < 2:
        raise ValueError(
            "metrics: 'self_bleu' compares the texts of a prompt, so num_return_sequences must be "
            f"at least 2, got {samples}"
        )
    return Task(
        prompts=given,
        prompt_ids=ids,
        shown=given if is_text else [lm.tokenizer.decode(row) for row in ids],
        grid=grid,
        attributes=tuple(a for a in lm.attributes if a in grid.attributes),
        keys=tuple(tuple(coefficient_row(p, lm.attributes).tolist()) for p in grid),
        samples=samples,
        max_new_tokens=steps,
        seed=seed_of(numbers[2]),
        sampling=_sampling(lm, sampling),
        metrics=metrics,
        scores=tuple(measured.classifiers or ()) if "score" in metrics else (),
        perplexity_text=text,
        perplexity_options=options,
        judged=measured.judge is not None,
    )


@dataclass(frozen=True)
class Measured:
    """What is asked about the texts and the points, as lm.sweep is given it."""

    metrics: Any
    classifiers: Any
    perplexity_text: Any
    perplexity_options: Any
    judge: Any

    def resolve(self, lm: InterpolatedModel) -> tuple[tuple[str, ...], Any, dict[str, Any]]:
        """The metrics' names, the text to measure or None, and every option of perplexity."""
        self._check_models()
        has = {
            "score": bool(self.classifiers),
            "perplexity": self.perplexity_text is not None,
        }
        if self.metrics is DEFAULT_METRICS:
            names = tuple(name for name in DEFAULT_METRICS if has.get(name, True))
        else:
            names = _metric_names(self.metrics, has)
        options = _options(
            "perplexity_options", lm.perplexity, _PERPLEXITY_ARGUMENTS, self.perplexity_options
        )
        if "perplexity" not in names:
            if self.perplexity_options:
                raise ValueError(
                    "perplexity_options: are for the metric 'perplexity', which is not computed; "
                    "give perplexity_text="
                )
            return names, None, {}
        return names, plain("perplexity_text", self.perplexity_text), options

    def judges(self) -> Judges:
        return Judges(dict(self.classifiers or {}), self.judge)

    def _check_models(self) -> None:
        from contlm.model.interpolated import InterpolatedModel

        if self.classifiers is not None and not isinstance(self.classifiers, Mapping):
            raise TypeError(
                "classifiers: must be a dict attribute -> contlm.Classifier, got "
                f"{type(self.classifiers).__name__}"
            )
        for name, classifier in (self.classifiers or {}).items():
            if not isinstance(name, str) or not isinstance(classifier, Classifier):
                raise TypeError(
                    f"classifiers[{name!r}]: must be a contlm.Classifier, got "
                    f"{type(classifier).__name__}"
                )
        if self.judge is not None and not isinstance(self.judge, InterpolatedModel):
            raise TypeError(
                f"judge: must be a contlm.Interpolator, got {type(self.judge).__name__}"
            )


def bound_grid(points: Any, attributes: Sequence[str]) -> Grid:
    """`points` as a Grid whose points name attributes of `attributes`."""
    if isinstance(points, Point | str | Mapping) or not isinstance(points, Sequence):
        raise TypeError(
            f"points: must be a Grid or a list of Points, got {type(points).__name__}; see "
            "contlm.grid"
        )
    grid = points if isinstance(points, Grid) else Grid(points)
    bound = [point.bind(attributes) for point in grid]
    return grid if bound == list(grid) else Grid(bound, grid.kind, grid.axes)


def plain(what: str, value: Any) -> Any:
    """`value` in JSON's own types: arrays and tensors as lists, numpy's numbers as Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [plain(what, item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{what}: must be text, numbers or lists of them, got {type(value).__name__}")


def _metric_names(given: Any, has: Mapping[str, bool]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if name not in METRICS:
            raise ValueError(f"metrics: must be among {', '.join(METRICS)}, got {name!r}")
    needs = {"score": "classifiers={attribute: Classifier}", "perplexity": "perplexity_text="}
    for name, there in has.items():
        if name in names and not there:
            raise ValueError(f"metrics: {name!r} needs {needs[name]}, which is not given")
        if there and name not in names:
            what = needs[name].partition("=")[0]
            raise ValueError(f"{what}: is given, but metrics= leaves out {name!r}; add it")
    return tuple(name for name in METRICS if name in names)


def _sampling(lm: InterpolatedModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of generate that a sweep leaves to the caller, its default where not given."""
    known = [n for n in inspect.signature(lm.generate).parameters if n not in _OWN_ARGUMENTS]
    options = _options("sweep", lm.generate, known, given)
    options["stop_strings"] = stop_list(options["stop_strings"])
    if options["eos_token_id"] is not None:
        options["eos_token_id"] = eos_ids(options["eos_token_id"], (), lm.engine.vocab_size)
    return options


def _options(
    what: str, call: Callable[..., Any], known: Sequence[str], given: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The arguments `known` of `call`, defaults from its own signature."""
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise TypeError(f"{what}: must be a dict of {', '.join(known)}, got {given!r}")
    unknown = [str(name) for name in given if name not in known]
    if unknown:
        raise TypeError(
            f"{what}: unknown argument {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
        )
    parameters = inspect.signature(call).parameters
    return {n: plain(n, given.get(n, parameters[n].default)) for n in known}
