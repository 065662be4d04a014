"""The smollm2 world: SmolLM2-135M-Instruct, which is fetched, with bundled anchors and classifiers
trained on real sentences."""

from __future__ import annotations

from pathlib import Path

from contlm.zoo.smollm2.base import base_folder, fetch_base
from contlm.zoo.world import World

WORLD = World(
    "smollm2",
    "SmolLM2-135M-Instruct, English",
    Path(__file__).parent / "data",
    fetched=base_folder,
    fetch=fetch_base,
    classifiers_on_base=True,
)
