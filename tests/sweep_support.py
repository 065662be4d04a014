"""What the tests of sweeps share: small sweeps of several units, and tables without clocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import contlm
import pandas as pd
from contlm import grid, zoo

PROMPTS = ["The fox", "One morning, a naïve café owner", "How do", "The fox"]
# 4 prompts of 64 samples are a unit's 256 rows: each point is a unit of its own
UNIT_SAMPLES = 64
LINE = grid.line("tone", -1, 1, 0.5)


def small(lm: contlm.Interpolator, **options: Any) -> contlm.Sweep:
    """Five points, five units, 1280 texts of three tokens."""
    given: dict[str, Any] = {
        "prompts": PROMPTS,
        "points": LINE,
        "num_return_sequences": UNIT_SAMPLES,
        "max_new_tokens": 3,
        "progress": False,
        **options,
    }
    return lm.sweep(given.pop("prompts"), given.pop("points"), **given)


def bundled(out: Path) -> contlm.Sweep:
    """Nine units on the bundled models, scored and measured: about a second of work."""
    lm = zoo.load(threads=1)
    classifier = contlm.Classifier.from_pretrained(zoo.classifier_path("humor"), threads=1)
    print("ready", flush=True)
    return lm.sweep(
        zoo.prompts()[:16],
        grid.line("humor", 0, 1, 0.125),
        num_return_sequences=16,
        max_new_tokens=12,
        classifiers={"humor": classifier},
        perplexity_text=zoo.heldout_text()[:1500],
        out=out,
        progress=False,
    )


def untimed(summary: pd.DataFrame) -> pd.DataFrame:
    return summary.drop(columns="tokens_per_s")


def same(one: contlm.Sweep, other: contlm.Sweep) -> None:
    """Bit for bit, apart from how long it took."""
    pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True)
    pd.testing.assert_frame_equal(untimed(one.summary), untimed(other.summary), check_exact=True)
