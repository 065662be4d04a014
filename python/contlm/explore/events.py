"""What a run tells its listener while it goes on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeAlias

# The two texts that a run writes side by side
SIDES = ("base", "point")


@dataclass(frozen=True)
class Text:
    """New text: side -> piece. The pieces of a side add up to its text."""

    kind: ClassVar[str] = "text"
    pieces: dict[str, str]


@dataclass(frozen=True)
class Shown:
    """Both shown texts are written.

    texts: side -> whole new text; finish_reasons: side -> "eos" | "length"; stats: generate's.
    perplexity: side -> what the base finds of the text given the prompt, NaN for an empty one.
    gibberish: whether the point's is far off the base's (`fluency.far_off`).
    code: the call of `generate` that gives the point's texts again, the shown one first.
    """

    kind: ClassVar[str] = "shown"
    texts: dict[str, str]
    finish_reasons: dict[str, str]
    stats: dict[str, Any]
    perplexity: dict[str, float]
    gibberish: bool
    code: str


@dataclass(frozen=True)
class Scores:
    """What one classifier says of both sides' texts so far: side -> their mean score.

    errors: side -> the standard error of that mean over the samples, NaN for one sample.
    samples: texts of each side; one, as it stands, until the shown texts are written.
    """

    kind: ClassVar[str] = "scores"
    attribute: str
    means: dict[str, float]
    errors: dict[str, float]
    samples: int


@dataclass(frozen=True)
class Done:
    """The last event of a run that was not cancelled. samples: texts of each side."""

    kind: ClassVar[str] = "done"
    samples: int


@dataclass(frozen=True)
class Failed:
    """The last event of a run that could not go on, and why."""

    kind: ClassVar[str] = "error"
    message: str


Event: TypeAlias = Text | Shown | Scores | Done | Failed


def event_json(event: Event) -> dict[str, Any]:
    """The event as plain JSON values, its name under "kind"; a NaN, which JSON lacks, is None."""
    return {"kind": event.kind, **_plain(asdict(event))}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def failure(error: BaseException) -> Failed:
    """An exception as an event: a user's mistake by its own words, anything else with its type."""
    words = " ".join(str(error).split())
    if isinstance(error, ValueError | TypeError | OSError) and words:
        return Failed(words)
    return Failed(f"{type(error).__name__}: {words}" if words else type(error).__name__)
