"""The plan of a sweep: what it is asked to compute, checked and brought to plain values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from contlm._common.arguments import with_defaults
from contlm._common.checks import as_int
from contlm._common.json_text import as_json_value
from contlm.grid import Grid
from contlm.loading.chat_template import is_conversation
from contlm.model.classifier import Classifier
from contlm.model.options import eos_ids, seed_of, stop_list
from contlm.model.prompts import encode_prompts
from contlm.points.coefficients import coefficient_row
from contlm.points.point import Point
from contlm.sweep.units import Unit, split_into_units

if TYPE_CHECKING:
    from contlm.model.interpolated import InterpolatedModel
    from contlm.model.perplexity import Corpus

METRICS = ("score", "perplexity", "base_perplexity", "dist", "self_bleu", "length")
DEFAULT_METRICS = ("score", "perplexity", "base_perplexity", "dist")

# arguments of generate that a sweep sets itself
_OWN_ARGUMENTS = {
    "self", "prompts", "alpha", "lam", "point", "coeffs", "schedule", "method", "max_new_tokens",
    "num_return_sequences", "seed", "progress", "streamer",
}  # fmt: skip
# how a sweep is run, beside what is swept
_RUN = ("out", "resume", "progress", "executor")
_PERPLEXITY_ARGUMENTS = ("max_length", "stride", "protocol")


@dataclass(frozen=True)
class Evaluators:
    """The models beside the swept one: a classifier per attribute, and a language model or none."""

    classifiers: Mapping[str, Classifier]
    judge: InterpolatedModel | None


@dataclass(frozen=True)
class SweepPlan:
    """A sweep's configuration: plain values only, so that it can be written down and sent away.

    prompts: as given, text or token ids; prompt_ids: their token ids; shown: their text.
    attributes: those that the grid names, in the interpolator's order. keys: the coefficients of
    each point. scores: the classifiers' names. perplexity_text: None where there is nothing to
    measure.
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

    def units(self) -> list[Unit]:
        return split_into_units(self.keys, [tuple(ids) for ids in self.prompt_ids], self.samples)

    def most_tokens(self, unit: Unit) -> int:
        """New tokens of a unit whose rows all run to max_new_tokens."""
        return unit.rows(self.samples) * self.max_new_tokens


@dataclass(frozen=True)
class SamplingRequest:
    """How texts are drawn, as lm.sweep is given it. options: the rest of generate's arguments."""

    num_return_sequences: int
    max_new_tokens: int
    seed: int | None
    options: Mapping[str, Any]

    def counts(self) -> tuple[int, int]:
        """num_return_sequences and max_new_tokens, checked."""
        samples = as_int("num_return_sequences", self.num_return_sequences)
        steps = as_int("max_new_tokens", self.max_new_tokens)
        for what, count in (("num_return_sequences", samples), ("max_new_tokens", steps)):
            if count < 1:
                raise ValueError(f"{what}: must be at least 1, got {count}")
        return samples, steps

    def resolved_options(self, lm: InterpolatedModel) -> dict[str, Any]:
        """Every option of generate that a sweep leaves to the caller, defaults filled in."""
        known = [n for n in inspect.signature(lm.generate).parameters if n not in _OWN_ARGUMENTS]
        requests = (*fields(SamplingRequest), *fields(MetricsRequest))
        own = ["prompts", "points", *(f.name for f in requests if f.name != "options"), *_RUN]
        options = with_defaults("sweep", lm.generate, known, self.options, own)
        options["stop_strings"] = stop_list(options["stop_strings"])
        if options["eos_token_id"] is not None:
            options["eos_token_id"] = eos_ids(options["eos_token_id"], (), lm.engine.vocab_size)
        return options


@dataclass(frozen=True)
class MetricsRequest:
    """What is asked about the texts and the points, as lm.sweep is given it."""

    metrics: str | Sequence[str]
    classifiers: Mapping[str, Classifier] | None
    perplexity_text: Corpus | None
    perplexity_options: Mapping[str, Any] | None
    judge: InterpolatedModel | None

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
        options = with_defaults(
            "perplexity_options", lm.perplexity, _PERPLEXITY_ARGUMENTS, self.perplexity_options
        )
        if "perplexity" not in names:
            if self.perplexity_options:
                raise ValueError(
                    "perplexity_options: are for the metric 'perplexity', which is not computed; "
                    "give perplexity_text="
                )
            return names, None, {}
        return names, as_json_value("perplexity_text", self.perplexity_text), options

    def evaluators(self) -> Evaluators:
        return Evaluators(dict(self.classifiers or {}), self.judge)

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


def make_plan(
    lm: InterpolatedModel,
    prompts: Any,
    points: Any,
    measured: MetricsRequest,
    sampled: SamplingRequest,
) -> SweepPlan:
    """A SweepPlan from what lm.sweep is given.

    TypeError and ValueError name the argument, what it must be and what it is.
    """
    if lm.tokenizer is None:
        raise ValueError("sweep: needs texts, and the model has no tokenizer; give tokenizer=")
    samples, steps = sampled.counts()
    grid = bound_grid(points, lm.attributes)
    single = isinstance(prompts, str) or is_conversation(prompts)
    given = as_json_value("prompts", [prompts] if single else prompts)
    ids = encode_prompts(given, lm.tokenizer, lm.bos_token_id, lm.engine.vocab_size)
    metrics, text, options = measured.resolve(lm)
    if "self_bleu" in metrics and samples < 2:
        raise ValueError(
            "metrics: 'self_bleu' compares the texts of a prompt, so num_return_sequences must be "
            f"at least 2, got {samples}"
        )
    return SweepPlan(
        prompts=given,
        prompt_ids=ids,
        shown=[
            item if isinstance(item, str) else lm.tokenizer.decode(row)
            for item, row in zip(given, ids, strict=True)
        ],
        grid=grid,
        attributes=tuple(a for a in lm.attributes if a in grid.attributes),
        keys=tuple(tuple(coefficient_row(p, lm.attributes).tolist()) for p in grid),
        samples=samples,
        max_new_tokens=steps,
        seed=seed_of(sampled.seed),
        sampling=sampled.resolved_options(lm),
        metrics=metrics,
        scores=tuple(measured.classifiers or ()) if "score" in metrics else (),
        perplexity_text=text,
        perplexity_options=options,
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
