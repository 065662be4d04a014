"""The tiny world: a Llama of under three million parameters that tells the stories of a grammar,
bundled whole."""

from __future__ import annotations

from pathlib import Path

from contlm.zoo.world import World

DATA = Path(__file__).parent / "data"

WORLD = World("tiny", "a small Llama that tells the stories of a grammar, bundled", DATA)
