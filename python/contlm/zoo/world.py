"""What a world is: where its files lie, and how its models are opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contlm.interpolator import Interpolator
    from contlm.model.classifier import Classifier

# the paper's five
ATTRIBUTES = ("simplicity", "formality", "politeness", "sentiment", "humor")


@dataclass(frozen=True)
class Demo:
    """What `contlm demo` moves: one attribute over `alphas`, then together with a second one."""

    attribute: str = "sentiment"
    second: str = "formality"
    alphas: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class World:
    """A base model, two anchors and a classifier per attribute, prompts and a held-out text.

    data: what is shipped: adapters/ATTRIBUTE-low and -high, classifiers/ATTRIBUTE, prompts.json,
        heldout.txt, world.json, MODEL_CARD.md.
    fetched: where the base lies once it is fetched; None where it is shipped as data/base.
    fetch: (source, progress) -> the base's folder; None where there is nothing to fetch.
    classifiers_on_base: whether the classifiers are adapters on the base, not models of their own.

    Every method raises FileNotFoundError for what is missing, with what to do about it.
    """

    name: str
    about: str
    data: Path
    fetched: Callable[[], Path] | None = None
    fetch: Callable[[Path | None, bool], Path] | None = None
    classifiers_on_base: bool = False
    attributes: tuple[str, ...] = ATTRIBUTES
    demo: Demo = Demo()

    def base_path(self) -> Path:
        if self.fetched is None:
            return self._shipped("base")
        folder = self.fetched()
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(
                f"world: the base model of {self.name} is not in {folder}; run: contlm zoo fetch "
                f"{self.name}"
            )
        return folder

    def adapter_pairs(self) -> dict[str, tuple[Path, Path]]:
        return {
            name: (self._shipped(f"adapters/{name}-low"), self._shipped(f"adapters/{name}-high"))
            for name in self.attributes
        }

    def classifier_path(self, attribute: str) -> Path:
        """ValueError for an attribute that the world does not have."""
        if attribute not in self.attributes:
            known = ", ".join(self.attributes)
            raise ValueError(f"attribute: must be one of {known}, got {attribute!r}")
        return self._shipped(f"classifiers/{attribute}")

    def classifier(
        self, attribute: str, lm: Interpolator | None = None, **options: Any
    ) -> Classifier:
        from contlm.interpolator import Interpolator
        from contlm.model.classifier import Classifier

        folder = self.classifier_path(attribute)
        if self.classifiers_on_base:
            if lm is None:
                lm = Interpolator.from_pretrained(self.base_path(), {}, **options)
                options = {}
            options["base"] = lm
        elif lm is not None:
            options = {"device": lm.device, "threads": lm.spec.threads, **options}
        return Classifier.from_pretrained(folder, **options)

    def prompts(self) -> list[str]:
        found: list[str] = json.loads(self._shipped("prompts.json").read_text(encoding="utf-8"))
        return found

    def heldout_text(self) -> str:
        return self._shipped("heldout.txt").read_text(encoding="utf-8")

    def load(self, **options: Any) -> Interpolator:
        from contlm.interpolator import Interpolator
        from contlm.loading.companions import Companions

        base, pairs = self.base_path(), self.adapter_pairs()
        classifiers = {name: self.classifier_path(name) for name in self.attributes}
        companions = Companions(self.prompts()[0], classifiers)
        lm = Interpolator.from_pretrained(base, pairs, **options)
        lm.companions = companions
        return lm

    def require_complete(self) -> None:
        """FileNotFoundError naming the first thing that is not there."""
        self.base_path()
        self.adapter_pairs()
        for attribute in self.attributes:
            self.classifier_path(attribute)
        self._shipped("prompts.json")
        self._shipped("heldout.txt")

    def _shipped(self, part: str) -> Path:
        path = self.data / part
        if not path.exists():
            raise FileNotFoundError(
                f"world: this installation of contlm lacks {part} of {self.name} (looked in "
                f"{self.data}); install a release that ships it"
            )
        return path
