"""What a visitor's sliders say, checked: the only way from a page's or a notebook's JSON to
generate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from contlm._common.checks import as_int, as_number
from contlm.model.options import seed_of
from contlm.points.point import Point, Weights, require_known

# the sliders' ends; a number typed beside a slider may lie outside
ALPHA_RANGE = (-1.0, 2.0)
LAM_RANGE = (0.0, 1.0)
# two sides of so many rows are what an engine decodes together by default
MAX_SAMPLES = 64


@dataclass(frozen=True)
class Settings:
    """One position of all controls.

    point: the attributes that are switched on; `Point()` is the base model.
    temperature: 0 takes the likeliest token each time. top_p: samples from the likeliest tokens
        that together have this probability; 1 from all.
    samples: texts of each side that scores are means of; the first is the one that is shown.
    """

    prompt: str = ""
    point: Point = field(default_factory=Point)
    max_new_tokens: int = 40
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    samples: int = 8

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str):
            raise TypeError(f"prompt: must be a str, got {type(self.prompt).__name__}")
        try:
            self.prompt.encode()
        except UnicodeEncodeError:
            raise ValueError("prompt: must be valid text, got half of a surrogate pair") from None
        # how many fit the model's context is the engine's to say; this is what an engine can count
        if not 1 <= as_int("max_new_tokens", self.max_new_tokens) < 1 << 31:
            raise ValueError(f"max_new_tokens: must lie in [1, 2^31), got {self.max_new_tokens}")
        if as_number("temperature", self.temperature) < 0:
            raise ValueError(
                f"temperature: must be at least 0 (0: the likeliest token each time), got "
                f"{self.temperature:g}"
            )
        if not 0 < as_number("top_p", self.top_p) <= 1:
            raise ValueError(f"top_p: must lie in (0, 1] (1: all tokens), got {self.top_p:g}")
        seed_of(as_int("seed", self.seed))
        if not 1 <= as_int("samples", self.samples) <= MAX_SAMPLES:
            raise ValueError(f"samples: must lie in [1, {MAX_SAMPLES}], got {self.samples}")

    @classmethod
    def from_json(cls, data: Any, attributes: Sequence[str]) -> Settings:
        """Settings from `to_json`'s form; ValueError or TypeError, naming the field, for any other.

        `lam` may be missing or null: equal shares. So may all fields but `prompt`.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"settings: must be an object, got {type(data).__name__}")
        known = ("prompt", "alpha", "lam", *_NUMBERS)
        unknown = [name for name in data if name not in known]
        if unknown:
            raise ValueError(
                f"settings: unknown field {unknown[0]!r}; the fields are {', '.join(known)}"
            )
        if "prompt" not in data:
            raise ValueError("settings: must hold a prompt, got none")
        alpha = _mapping("alpha", data.get("alpha"))
        lam = None if data.get("lam") is None else _mapping("lam", data["lam"])
        require_known(attributes, alpha)
        rest = {name: data[name] for name in _NUMBERS if name in data}
        return cls(prompt=data["prompt"], point=Point(alpha, lam), **rest)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: prompt, alpha and lam (attribute -> number), max_new_tokens,
        temperature, top_p, seed, samples."""
        alpha, lam = self.named()
        rest = {name: getattr(self, name) for name in _NUMBERS}
        return {"prompt": self.prompt, "alpha": dict(alpha), "lam": dict(lam), **rest}

    def named(self) -> tuple[Weights, Weights]:
        """The point's alpha and lambda by attribute; ValueError for a plain number, which names
        none."""
        alpha, lam = self.point.alpha, self.point.lam
        if not isinstance(alpha, Weights) or not isinstance(lam, Weights):
            raise ValueError(f"point: must name its attributes, got {self.point!r}")
        return alpha, lam

    @property
    def distinct_samples(self) -> int:
        """`samples`, or 1 where all of them would be the same text."""
        return 1 if self.temperature == 0 else self.samples

    def sampling(self) -> dict[str, Any]:
        """How `generate` draws one text, as its keyword arguments."""
        chosen: dict[str, Any] = {"max_new_tokens": self.max_new_tokens, "seed": self.seed}
        if self.temperature == 0:
            return {**chosen, "do_sample": False}
        chosen["temperature"] = float(self.temperature)
        return chosen if self.top_p == 1 else {**chosen, "top_p": float(self.top_p)}

    def code(self) -> str:
        """The call that gives the samples' texts again, as Python."""
        alpha, lam = self.named()
        arguments = [repr(self.prompt)]
        if alpha:
            arguments += [f"alpha={dict(alpha)!r}", f"lam={dict(lam)!r}"]
        options = self.sampling()
        if self.distinct_samples > 1:
            options["num_return_sequences"] = self.distinct_samples
        arguments += [f"{name}={value!r}" for name, value in options.items()]
        return f"lm.generate({', '.join(arguments)})"


_NUMBERS = tuple(f.name for f in fields(Settings) if f.name not in ("prompt", "point"))


def _mapping(what: str, value: Any) -> Mapping[str, float]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{what}: must be an object attribute -> number, got {value!r}")
    return value
