"""What to say to an argument or a key that nobody knows: the known one that was probably meant."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from contlm._common.json_text import as_json_value

P = ParamSpec("P")
T = TypeVar("T")

# names that people bring from other libraries or from the paper -> ours; the first one that the
# call knows is meant
_ALIASES: dict[str, tuple[str, ...]] = {
    "adapters": ("attributes",),
    "alphas": ("alpha", "points"),
    "alpha": ("point", "points"),
    "attr": ("attribute", "attributes"),
    "attrs": ("attributes", "attribute"),
    "batch_size": ("max_rows",),
    "device_map": ("device",),
    "eos": ("eos_token_id",),
    "greedy": ("do_sample",),
    "judge_model": ("judge",),
    "lambda": ("lam", "lams"),
    "lambda_": ("lam", "lams"),
    "lambdas": ("lam", "lams"),
    "lam_": ("lam", "lams"),
    "max_length": ("max_new_tokens",),
    "max_tokens": ("max_new_tokens",),
    "model_name_or_path": ("model", "path"),
    "n": ("num_return_sequences",),
    "n_threads": ("threads",),
    "num_samples": ("num_return_sequences",),
    "num_threads": ("threads",),
    "num_workers": ("workers",),
    "output_dir": ("out",),
    "precision": ("dtype",),
    "pretrained_model_name_or_path": ("model", "path"),
    "random_seed": ("seed",),
    "samples": ("num_return_sequences",),
    "stop": ("stop_strings",),
    "stop_sequences": ("stop_strings",),
    "temp": ("temperature",),
    "topk": ("top_k",),
    "topp": ("top_p",),
    "torch_dtype": ("dtype",),
    "verbose": ("progress",),
    "window": ("max_length",),
}
# difflib's ratio: one wrong letter in four passes, words that share an ending do not
_LIKENESS = 0.7


def nearest(name: str, known: Collection[str]) -> str | None:
    """Which of `known` was meant by `name`: what other libraries call so, or else the likeliest
    slip of the keyboard; None where nothing is near."""
    plain = name.lower().replace("-", "_")
    for meant in (plain, *_ALIASES.get(plain, ())):
        if meant in known:
            return meant
    return next(iter(difflib.get_close_matches(plain, known, 1, _LIKENESS)), None)


def known_hint(name: str, known: Collection[str]) -> str:
    """How a message on an unknown `name` ends: ", did you mean top_k? known: ...", or
    "; known: ..." where none is near."""
    meant = nearest(name, known)
    hint = ";" if meant is None else f", did you mean {meant}?"
    return f"{hint} known: {', '.join(known)}"


def unknown_argument(what: str, name: str, known: Collection[str]) -> TypeError:
    """The error for an argument `name` of the call `what`, which takes `known`."""
    return TypeError(f"{what}: unknown argument {name!r}{known_hint(name, known)}")


def suggests_arguments(call: Callable[P, T]) -> Callable[P, T]:
    """`call`, answering a keyword that it does not know with the one that was probably meant."""
    known = [name for name in inspect.signature(call).parameters if name not in ("self", "cls")]

    @functools.wraps(call)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        for name in kwargs:
            if name not in known:
                raise unknown_argument(call.__name__, name, known)
        return call(*args, **kwargs)

    return checked


def with_defaults(
    what: str,
    call: Callable[..., Any],
    known: Sequence[str],
    given: Mapping[str, Any] | None,
    beside: Sequence[str] = (),
) -> dict[str, Any]:
    """The arguments `known` of `call`, defaults from its own signature. beside: names that the
    caller takes elsewhere, and that an unknown one may have meant."""
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise TypeError(f"{what}: must be a dict of {', '.join(known)}, got {given!r}")
    for name in given:
        if name not in known:
            raise unknown_argument(what, str(name), [*beside, *known])
    parameters = inspect.signature(call).parameters
    return {n: as_json_value(n, given.get(n, parameters[n].default)) for n in known}
