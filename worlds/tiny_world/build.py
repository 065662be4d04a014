"""``python -m tiny_world.build``: regenerate every model of the tiny world and every
figure from a seed.

Each part is made beside its place and moved there when complete, so an interrupted build leaves no
half a model; ``--resume`` keeps the parts that are complete. Parts may be made by several processes
at once (``--part base`` beside ``--part classifiers``); a last run with ``--resume`` then measures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from contlm.zoo.tiny import DATA
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from tiny_world.anchors import train_adapter
from tiny_world.base_model import train_base
from tiny_world.classifiers import Scorer, accuracy, tokenizer_for, train_classifier
from tiny_world.corpora import held_out_text, prompt_list
from tiny_world.evaluate import Zoo, alpha_curve
from tiny_world.grammar import ATTRIBUTES
from tiny_world.model_card import render
from tiny_world.recipe import QUICK, SEED, Recipe

ENDS = (("low", 0.0), ("high", 1.0))
_TIMINGS = ".timings"


class Builder:
    """Makes the parts one after the other and remembers the processor time that each took."""

    def __init__(self, out: Path, recipe: Recipe, seed: int, resume: bool) -> None:
        self.out = out
        self.recipe = recipe
        self.seed = seed
        self.resume = resume

    def steps(self) -> list[tuple[str, Callable[[Path], None]]]:
        """Every model directory and how it is made, in the order in which they need each other."""
        base = self.out / "base"
        steps: list[tuple[str, Callable[[Path], None]]] = [
            ("base", lambda to: train_base(to, self.recipe, self.seed))]
        for attribute in ATTRIBUTES:
            for end, share in ENDS:
                steps.append((f"adapters/{attribute}-{end}", self._adapter(base, attribute, share)))
        for attribute in ATTRIBUTES:
            steps.append((f"classifiers/{attribute}", self._classifier(attribute)))
        return steps

    def train(self, prefix: str) -> None:
        """Make every model whose name starts with the prefix."""
        steps = [step for step in self.steps() if step[0].startswith(prefix)]
        for name, make in tqdm(steps, desc="zoo", unit="model"):
            self.part(name, make)

    def measure(self) -> dict[str, Any]:
        """Write the texts, the manifest and the model card; returns the manifest."""
        (self.out / "prompts.json").write_text(
            json.dumps(prompt_list(self.seed, self.recipe.prompts), indent=1) + "\n")
        (self.out / "heldout.txt").write_text(
            held_out_text(self.seed, self.recipe.held_out_stories))
        manifest = self.manifest()
        (self.out / "world.json").write_text(json.dumps(manifest, indent=1) + "\n")
        (self.out / "MODEL_CARD.md").write_text(render(manifest))
        shutil.rmtree(self.out / _TIMINGS, ignore_errors=True)
        return manifest

    def part(self, name: str, make: Callable[[Path], None]) -> None:
        """Make one directory, or keep it when resuming and it is there."""
        target = self.out / name
        if self.resume and target.exists():
            return
        unfinished = target.with_name(f".{target.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        started = time.process_time()
        make(unfinished)
        for file in unfinished.iterdir():
            file.chmod(0o644)  # safetensors are written for their owner alone
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        timing = self.out / _TIMINGS / name
        timing.parent.mkdir(parents=True, exist_ok=True)
        timing.write_text(f"{time.process_time() - started:.1f}")

    def _adapter(self, base: Path, attribute: str, share: float) -> Callable[[Path], None]:
        return lambda to: train_adapter(base, to, attribute, share, self.recipe, self.seed)

    def _classifier(self, attribute: str) -> Callable[[Path], None]:
        return lambda to: train_classifier(
            to, attribute, tokenizer_for(self.recipe, self.seed), self.recipe, self.seed)

    def manifest(self) -> dict[str, Any]:
        """Everything that the model card says, measured on the files as they lie there."""
        started = time.process_time()
        adapters = {f"{name}-{end}": self.out / "adapters" / f"{name}-{end}"
                    for name in ATTRIBUTES for end, _ in ENDS}
        zoo = Zoo(self.out / "base", adapters)
        text = (self.out / "heldout.txt").read_text()
        prompts = json.loads((self.out / "prompts.json").read_text())[:self.recipe.curve_prompts]
        attributes: dict[str, Any] = {}
        with zoo.model.disable_adapter():
            perplexity = {"story": round(zoo.perplexity(text), 3),
                          "window_512": round(zoo.window_perplexity(text), 3)}
        for name in ATTRIBUTES:
            folder = self.out / "classifiers" / name
            attributes[name] = {
                "low": f"adapters/{name}-low", "high": f"adapters/{name}-high",
                "classifier": f"classifiers/{name}",
                "accuracy": accuracy(folder, name, self.recipe, self.seed),
                "curve": alpha_curve(zoo, Scorer(folder), name, prompts,
                                     self.recipe.curve_samples, text, self.seed),
            }
        seconds = {name: float(file.read_text()) for name, _ in self.steps()
                   if (file := self.out / _TIMINGS / name).exists()}
        seconds["measuring"] = round(time.process_time() - started, 1)
        parts = ("base", *(f"adapters/{key}" for key in adapters),
                 *(f"classifiers/{name}" for name in ATTRIBUTES))
        return {
            "seed": self.seed, "dtype": "bfloat16", "base": "base", "prompts": "prompts.json",
            "heldout": "heldout.txt", "attributes": attributes, "perplexity": perplexity,
            "parameters": sum(p.numel() for name, p in zoo.model.named_parameters()
                              if "lora_" not in name),
            "bytes": {name: _size(self.out / name) for name in parts},
            "processor_seconds": seconds, "recipe": asdict(self.recipe),
        }


def _size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tiny_world.build", description=__doc__)
    parser.add_argument("--out", type=Path, default=DATA, help="default: the bundled folder")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="toy sizes: all steps in minutes")
    parser.add_argument("--resume", action="store_true", help="keep the models that are there")
    parser.add_argument("--part", default="", metavar="PREFIX",
                        help="make only base, adapters, classifiers/humor, ... and measure nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers_logging.disable_progress_bar()
    recipe = QUICK if arguments.quick else Recipe()
    builder = Builder(arguments.out, recipe, arguments.seed, arguments.resume)
    builder.train(arguments.part)
    if arguments.part:
        return
    manifest = builder.measure()
    print(f"{arguments.out}: {sum(manifest['bytes'].values()) / 1e6:.1f} MB, "
          f"{sum(manifest['processor_seconds'].values()) / 60:.1f} core minutes")


if __name__ == "__main__":
    main()
