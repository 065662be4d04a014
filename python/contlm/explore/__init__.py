"""Sliders over a model: text at a point beside the base model's, as they move.

`session` is the core; `widget` shows it in a notebook and `server` as a local web page, both with
the panel in `static`. The two faces need the extra ``contlm[explore]``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from contlm.explore.session import Session
from contlm.explore.settings import Settings
from contlm.loading.companions import Companions
from contlm.model.classifier import Classifier, open_classifier
from contlm.model.interpolated import InterpolatedModel
from contlm.points.point import Point

if TYPE_CHECKING:
    from contlm.explore.widget import ExploreWidget

__all__ = ["Classifiers", "Session", "Settings", "make_session", "show"]

# attribute -> a classifier, or the directory or hub id of one
Classifiers: TypeAlias = Mapping[str, "Classifier | str | os.PathLike[str]"]

_PROMPT = "One morning,"


def show(
    lm: InterpolatedModel, prompt: str | None, classifiers: Any, **options: Any
) -> ExploreWidget:
    """The notebook's face; `Interpolator.explore` documents the arguments.

    ModuleNotFoundError, with the command to install it, without anywidget.
    """
    try:
        from contlm.explore.widget import ExploreWidget
    except ModuleNotFoundError as error:
        raise missing(error) from error
    return ExploreWidget(make_session(lm, prompt, classifiers, **options))


def make_session(
    lm: InterpolatedModel,
    prompt: str | None = None,
    classifiers: Classifiers | None = None,
    *,
    alpha: Mapping[str, float] | float | None = None,
    lam: Mapping[str, float] | float | None = None,
    max_new_tokens: int = Settings.max_new_tokens,
    temperature: float = Settings.temperature,
    top_p: float = Settings.top_p,
    seed: int = Settings.seed,
    samples: int = Settings.samples,
    concurrent: int = 1,
) -> Session:
    """A session that begins at these settings.

    prompt, classifiers: None takes those that the model brings along (`lm.companions`).
    alpha: None begins with the first attribute at its high end.
    samples: texts of each side that scores are means of.
    """
    companions = lm.companions or Companions(_PROMPT, {})
    if prompt is None:
        prompt = companions.prompt
    if classifiers is None:
        classifiers = companions.classifiers
    if alpha is None and lam is None and lm.attributes:
        alpha = {lm.attributes[0]: 1.0}
    point = Point(alpha, lam)
    initial = Settings(prompt, point, max_new_tokens, temperature, top_p, seed, samples)
    return Session(lm, _opened(classifiers, lm), initial, concurrent)


def missing(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """`error` with what to do about it; errors that are not about the extra are given back."""
    if error.name is None or error.name.partition(".")[0] == "contlm":
        return error
    return ModuleNotFoundError(
        f"explore: needs {error.name}, which is not installed; pip install 'contlm[explore]'",
        name=error.name,
    )


def _opened(classifiers: Classifiers, lm: InterpolatedModel) -> dict[str, Classifier]:
    if not isinstance(classifiers, Mapping):
        raise TypeError(
            "classifiers: must be a dict attribute -> Classifier or directory, got "
            f"{type(classifiers).__name__}"
        )
    return {
        name: given
        if isinstance(given, Classifier)
        else open_classifier(given, lm, device=lm.device)
        for name, given in classifiers.items()
    }
