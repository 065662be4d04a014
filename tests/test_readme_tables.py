"""README's tables of speed hold what benchmarks/results say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import readme_tables
from common.results import figure
from common.timing import paired_ratio

MACHINE = {
    "processor": "a core",
    "cores": 2,
    "threads": 1,
    "torch": "1",
    "transformers": "2",
    "peft": "3",
    "commit": "abc",
}


def test_readme_holds_the_results() -> None:
    """After a new run: python benchmarks/readme_tables.py --write."""
    if not readme_tables.RESULTS.is_dir():
        pytest.skip("a source distribution leaves benchmarks/results out")
    page = readme_tables.README.read_text(encoding="utf-8")
    assert readme_tables.fill(page, readme_tables.tables()) == page


def generated(ours: list[float], peer: list[float]) -> dict[str, Any]:
    return {
        "machine": MACHINE,
        "setting": {"shape": "A shape", "prompt_tokens": 3, "new_tokens": 5},
        "bound": {"product_gflops": 400.4, "read_gb_per_s": 30.1},
        "generate": {
            "64": {
                "figures": {
                    "contlm, one point": figure(ours, 1.0, tokens=300.0),
                    "PEFT, merged": figure(peer, 1.0, tokens=300.0),
                },
                "ratios": {"PEFT, merged / contlm, one point": paired_ratio(peer, ours)},
            }
        },
    }


def test_generate() -> None:
    lines = readme_tables.generate([generated([2.0, 2.2, 1.6], [8.0, 8.0, 8.0]), {}]).splitlines()
    assert lines[0] == (
        "A shape; rows of 3 + 5 tokens, over prefill and decode; "
        "1 threads on 2 cores of a core, torch 1, transformers 2, PEFT 3, contlm abc:"
    )
    assert "| contlm, one point | 150 (50%) | - |" in lines
    assert "| PEFT, merged | 37.5 (12%) | - |" in lines
    assert "| PEFT, one cat adapter | - | - |" in lines
    assert "| times as fast: contlm, one point against PEFT, merged | 4.0 | - |" in lines
    assert lines[-1] == (
        "Medians of 3 calls; the middle half of any lies within 10% of it. "
        "The bound: float32 400 GFLOP/s and 30 GB/s."
    )


def test_nothing_measured_is_dashes(tmp_path: Path) -> None:
    tables = readme_tables.tables(tmp_path)
    assert "| contlm, `lm.sweep` | - | - |" in tables["sweep"]
    assert "| perplexity, tokens/s | - | - | - | - | - | - |" in tables["metrics"]
    assert not set("123456789") & set(
        "".join(line for line in tables["generate"].splitlines() if line.startswith("| contlm"))
    )


def test_sweep_per_point(tmp_path: Path) -> None:
    result = {
        "machine": MACHINE,
        "setting": {"points": 6},
        "sweep": {
            "figures": {
                "contlm": {**figure([10.0], 5.0, points=2), "memory_mib": {"peak": 1234.4}},
                "peer": figure([40.0], 5.0, points=2),
            },
            "ratios": {"total": paired_ratio([40.0], [10.0])},
        },
    }
    (tmp_path / "sweep_bfloat16_cpu.json").write_text(json.dumps(result), encoding="utf-8")
    lines = readme_tables.tables(tmp_path)["sweep"].splitlines()
    assert "6 points" in lines[0]
    assert "| contlm, `lm.sweep` | - | 5.0 (50%) |" in lines
    assert "| times as fast: the loop | - | 4.0 |" in lines
    assert "| peak memory, contlm, MiB | - | 1234 |" in lines


def test_machines_that_differ_are_both_named() -> None:
    other = {**MACHINE, "processor": "another"}
    said = readme_tables.made_on([{"machine": MACHINE}, {"machine": other}])
    assert "of a core" in said and "; 1 threads on 2 cores of another" in said
    assert readme_tables.made_on([{"machine": MACHINE}] * 2).count("threads") == 1


def test_fill_replaces_the_region_alone() -> None:
    page = "before\n<!-- benchmarks:a -->\nold\n<!-- /benchmarks:a -->\nafter\n"
    assert readme_tables.fill(page, {"a": "new \\1"}) == page.replace("old", "new \\1")
    with pytest.raises(ValueError, match="must hold <!-- benchmarks:b -->"):
        readme_tables.fill(page, {"b": "text"})
