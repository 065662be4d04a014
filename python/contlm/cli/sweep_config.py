"""The TOML file of contlm sweep: read, checked key by key, and turned into what lm.sweep takes."""

from __future__ import annotations

import functools
import operator
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contlm import grid
from contlm.cli import config_checks as checks
from contlm.grid import Grid
from contlm.interpolator import Interpolator
from contlm.model.classifier import Classifier, open_classifier
from contlm.points.point import Point

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUNDLED = "bundled"

_numbers = checks.list_of(checks.number)
_names = checks.list_of(checks.text)
_weights = checks.table_of(checks.number)
_alpha = checks.either(checks.number, _weights)

_MODEL: dict[str, checks.Check] = {
    "path": checks.text,
    "tokenizer": checks.text,
    "dtype": checks.text,
    "device": checks.text,
    "threads": checks.integer,
    "max_rows": checks.integer,
}
_GRIDS: dict[str, dict[str, checks.Check]] = {
    "line": {
        "attribute": checks.text,
        "start": checks.number,
        "stop": checks.number,
        "step": checks.number,
        "lam": checks.number,
    },
    "simplex": {"attributes": _names, "step": checks.number, "alpha": _alpha},
    "product": {"alphas": checks.table_of(_numbers), "lam": _alpha},
    "alpha_lambda": {
        "attribute": checks.text,
        "attributes": _names,
        "alphas": _numbers,
        "lams": _numbers,
        "others": _alpha,
    },
    "entangle": {
        "attributes": _names,
        "pairs": checks.list_of(checks.pair_of(checks.text)),
        "alphas": _numbers,
        "held": checks.number,
    },
    "random": {
        "attributes": _names,
        "n": checks.integer,
        "method": checks.text,
        "seed": checks.integer,
        "alpha": checks.either(checks.pair_of(checks.number), _alpha),
    },
    "custom": {
        "points": checks.list_of(
            lambda where, value: checks.table(where, value, {"alpha": _alpha, "lam": _alpha})
        )
    },
}
# what a key of the file is called in contlm.grid, where the two differ
_PARAMETERS = {
    ("line", "attribute"): "attr",
    ("simplex", "attributes"): "attrs",
    ("alpha_lambda", "attribute"): "attr",
    ("entangle", "pairs"): "attributes",
}
_TABLES: dict[str, dict[str, checks.Check]] = {
    "model": _MODEL,
    "prompts": {"file": checks.text, "texts": _names, "count": checks.integer},
    "generate": {
        "num_return_sequences": checks.integer,
        "max_new_tokens": checks.integer,
        "seed": checks.integer,
        "do_sample": checks.boolean,
        "temperature": checks.number,
        "top_k": checks.integer,
        "top_p": checks.number,
        "min_p": checks.number,
        "repetition_penalty": checks.number,
        "stop_strings": _names,
        "eos_token_id": checks.either(checks.integer, checks.list_of(checks.integer)),
        "mode": checks.text,
    },
    "measure": {"metrics": _names},
    "perplexity": {
        "text": checks.text,
        "characters": checks.integer,
        "protocol": checks.text,
        "max_length": checks.integer,
        "stride": checks.integer,
    },
    "judge": _MODEL,
    "executor": {"kind": checks.text, "workers": checks.integer, "address": checks.text},
}


@dataclass(frozen=True)
class SweepConfig:
    """A checked file: its tables, and the folder that its paths start from."""

    file: Path
    out: Path | None
    points: Grid
    tables: dict[str, dict[str, Any]]
    attributes: dict[str, tuple[str, str]]
    classifiers: dict[str, str]
    world: str

    @property
    def generate(self) -> dict[str, Any]:
        return self.tables.get("generate", {})

    @property
    def executor(self) -> dict[str, Any] | None:
        return self.tables.get("executor")

    def place(self, path: str) -> str:
        """A path of the file, from where the file lies; a hub id stays as it is."""
        there = self.file.parent / Path(path).expanduser()
        return str(there) if there.exists() else path

    def open_checkpoint(self) -> Interpolator:
        given = self.tables.get("model", {"path": BUNDLED})
        if given["path"] == BUNDLED:
            from contlm import zoo

            rest = {key: value for key, value in given.items() if key != "path"}
            return zoo.load(self.world, **rest)
        pairs = {
            name: (self.place(low), self.place(high))
            for name, (low, high) in self.attributes.items()
        }
        return self._open(given, pairs)

    def open_judge(self) -> Interpolator | None:
        given = self.tables.get("judge")
        return None if given is None else self._open(given, {})

    def open_classifiers(self, lm: Interpolator) -> dict[str, Classifier]:
        """On the device and with the threads of the model, adapters on the model itself."""
        threads = lm.spec.threads
        found = {}
        for name, source in self.classifiers.items():
            if source == BUNDLED:
                from contlm import zoo

                found[name] = zoo.classifier(name, self.world, lm)
                continue
            place = self.place(source)
            found[name] = open_classifier(place, lm, device=lm.device, threads=threads)
        return found

    def prompts(self) -> list[str]:
        given = self.tables.get("prompts", {})
        if "texts" in given:
            texts = given["texts"]
        elif "file" in given:
            texts = self._read("prompts.file", given["file"]).splitlines()
        else:
            from contlm import zoo

            texts = zoo.prompts(self.world)
        count = given.get("count", len(texts))
        if not 1 <= count <= len(texts):
            raise ValueError(
                f"{self.file}: prompts.count: must be from 1 to the {len(texts)} prompts that "
                f"there are, got {count}"
            )
        return list(texts[:count])

    def measured(self) -> dict[str, Any]:
        """metrics, perplexity_text and perplexity_options for lm.sweep."""
        found: dict[str, Any] = dict(self.tables.get("measure", {}))
        given = dict(self.tables.get("perplexity", {}))
        if given:
            source, characters = given.pop("text"), given.pop("characters", None)
            if source == BUNDLED:
                from contlm import zoo

                text = zoo.heldout_text(self.world)
            else:
                text = self._read("perplexity.text", source)
            found["perplexity_text"] = text[:characters]
            found["perplexity_options"] = given
        return found

    def _open(self, given: dict[str, Any], pairs: dict[str, tuple[str, str]]) -> Interpolator:
        rest = {key: value for key, value in given.items() if key != "path"}
        if "tokenizer" in rest:
            rest["tokenizer"] = self.place(rest["tokenizer"])
        return Interpolator.from_pretrained(self.place(given["path"]), pairs, **rest)

    def _read(self, key: str, path: str) -> str:
        place = Path(self.place(path))
        if not place.is_file():
            raise FileNotFoundError(f"{self.file}: {key}: no file {path!r}")
        return place.read_text(encoding="utf-8")


def read_config(path: str | Path, world: str | None = None) -> SweepConfig:
    """The checked file, `world` in place of its own. FileNotFoundError where there is none;
    ValueError "file: key: what it must be, what it is"."""
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(
            f"sweep: no file {str(file)!r}; contlm sweep --init {file} writes an example there"
        )
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: must be TOML: {error}") from None
    try:
        return _checked(file, content if world is None else {**content, "world": world})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None


def _checked(file: Path, content: dict[str, Any]) -> SweepConfig:
    fields: dict[str, checks.Check] = {name: _table_check(keys) for name, keys in _TABLES.items()}
    fields["out"] = checks.text
    fields["world"] = _world
    fields["grid"] = _grids
    fields["attributes"] = checks.table_of(checks.pair_of(checks.text))
    fields["classifiers"] = checks.table_of(checks.text)
    found = checks.table("", content, fields)
    _require_consistent(found)
    out = found.get("out")
    return SweepConfig(
        file=file,
        out=None if out is None else file.parent / Path(out).expanduser(),
        points=functools.reduce(operator.add, found["grid"]),
        tables={name: found[name] for name in _TABLES if name in found},
        attributes=found.get("attributes", {}),
        classifiers=found.get("classifiers", {}),
        world=found.get("world", "tiny"),
    )


def _require_consistent(found: dict[str, Any]) -> None:
    """What one key asks of another."""
    if not found.get("grid"):
        raise ValueError("grid: is missing; say which points to sweep, such as [[grid]]")
    for name in ("model", "judge"):
        if name in found and "path" not in found[name]:
            raise ValueError(f"{name}.path: is missing; give a directory or a hub id")
    own = found.get("model", {}).get("path", BUNDLED) != BUNDLED
    if found.get("attributes") and not own:
        raise ValueError("attributes: needs [model], the base that the adapters were made for")
    if own and "world" in found:
        raise ValueError('world: has a base of its own; leave [model] out, or path = "bundled"')
    if own and not found.get("attributes"):
        raise ValueError("attributes: is missing; [model] needs an attribute's two adapters")
    if {"file", "texts"} <= set(found.get("prompts", {})):
        raise ValueError("prompts: give file or texts, got both")
    if own and not {"file", "texts"} & set(found.get("prompts", {})):
        raise ValueError("prompts: is missing; [model] needs prompts.file or prompts.texts")
    if "perplexity" in found and "text" not in found["perplexity"]:
        raise ValueError('perplexity.text: is missing; give a file, or "bundled"')
    if "executor" in found and "kind" not in found["executor"]:
        raise ValueError('executor.kind: is missing; give "ray", or leave [executor] out')


def _world(where: str, value: Any) -> str:
    from contlm import zoo

    return zoo.find(checks.text(where, value)).name


def _table_check(keys: dict[str, checks.Check]) -> checks.Check:
    return lambda where, value: checks.table(where, value, keys)


def _grids(where: str, value: Any) -> list[Grid]:
    """[grid], or several [[grid]]."""
    if not isinstance(value, list):
        return [_grid(where, value)]
    return [_grid(f"{where}[{i}]", one) for i, one in enumerate(value)]


def _grid(where: str, value: Any) -> Grid:
    """One [[grid]] table as the grid that it describes."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in _GRIDS:
        raise ValueError(f"{where}.kind: must be one of {', '.join(_GRIDS)}, got {kind!r}")
    found = checks.table(where, value, {"kind": checks.text, **_GRIDS[kind]})
    found.pop("kind")
    if kind == "entangle" and len({"attributes", "pairs"} & set(found)) != 1:
        raise ValueError(f"{where}: must have either attributes or pairs")
    arguments = {_PARAMETERS.get((kind, key), key): one for key, one in found.items()}
    try:
        if kind == "custom":
            return grid.custom([Point(**point) for point in arguments.get("points", [])])
        made: Grid = getattr(grid, kind)(**arguments)
        return made
    except TypeError as error:
        # a missing argument, in Python's words for a call
        missing = str(error).partition("missing ")[2]
        raise ValueError(
            f"{where}: is missing {missing}" if missing else f"{where}: {error}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
