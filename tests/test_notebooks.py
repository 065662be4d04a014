"""The notebooks run from top to bottom on the bundled models, and are kept clean.

`python tests/test_notebooks.py` cleans them after work in an editor.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import contlm
import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")
from nbclient import NotebookClient  # noqa: E402

FOLDER = Path(__file__).parent.parent / "notebooks"
NAMES = (
    "01_quickstart",
    "02_one_attribute",
    "03_simplices",
    "04_five_attributes",
    "05_entanglement_and_geometry",
    "06_your_own_model",
)
ALLOWED = {"contlm", "functools", "operator", "pandas", "pathlib"}
# a reader's own model is trained with what readers train with
TRAINING = {"peft", "random", "sys", "tiny_world", "torch", "transformers", "warnings"}
NO_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
LONGEST_CELL = 25

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="a source package has no notebooks")


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_of(name: str) -> list[Any]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def cleaned(name: str) -> str:
    """The notebook's text without outputs and an editor's traces."""
    book = read(name)
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in book.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return str(nbformat.writes(book)) + "\n"


def run(name: str, folder: Path, asked: dict[str, str], parameters: str = "") -> dict[str, Any]:
    """Runs a notebook in `folder`, with `parameters` set behind those of its first code cell.

    asked: name -> expression, evaluated after the last cell. Gives their values, with "pictures":
    the ids of the cells that show an image.
    """
    book = read(name)
    (first, *_) = [cell for cell in book.cells if cell.cell_type == "code"]
    first.source += "\n" + parameters
    report = ", ".join(f"{key!r}: {text}" for key, text in asked.items())
    question = f"import json, sys\nprint(json.dumps({{'python': sys.executable, {report}}}))"
    book.cells.append(nbformat.v4.new_code_cell(question))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(contlm.__file__).parents[1]), *sys.path[1:]]),
        "HF_HUB_OFFLINE": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",
        # what else the machine runs must not be waited for
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }
    client = NotebookClient(
        book, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    answer = json.loads(book.cells[-1].outputs[0].text)
    assert answer.pop("python") == sys.executable
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            assert (
                output.output_type != "stream"
                or output.name != "stderr"
                or ("Warning" not in output.text)
            ), f"{cell.id}: {output.text}"
    pictures = [
        cell.id
        for cell in book.cells
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))
    ]
    return answer | {"pictures": pictures}


def drawing(name: str) -> list[str]:
    return [cell.id for cell in code_of(name) if "plot." in cell.source]


def test_all_notebooks_are_known() -> None:
    assert {file.stem for file in FOLDER.glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_committed_clean(name: str) -> None:
    """No outputs, no machine's metadata, stable ids, and the JSON that nbformat writes."""
    book = read(name)
    nbformat.validate(book)
    for cell in book.cells:
        assert cell.source.strip()
        assert any(not c.isdigit() and c not in "abcdef" for c in cell.id), "a name, not a number"
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert text == cleaned(name), "run python tests/test_notebooks.py, which cleans it"


@pytest.mark.parametrize("name", NAMES)
def test_no_algorithms(name: str) -> None:
    """Notebooks import contlm and define nothing; cells are short, and sizes come first."""
    cells = code_of(name)
    allowed = ALLOWED | (TRAINING if name.startswith("06") else set())
    for cell in cells:
        tree = ast.parse(cell.source)
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= LONGEST_CELL, f"{cell.id} has {len(lines)} lines"
        for node in ast.walk(tree):
            assert not isinstance(node, NO_DEFINITIONS), f"{cell.id} defines something"
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in allowed
    sizes = ast.parse(cells[0].source).body
    assert cells[0].id == "parameters" and all(isinstance(line, ast.Assign) for line in sizes)


def test_quickstart(tmp_path: Path) -> None:
    asked = {
        "texts": "len(sweep)",
        "complete": "sweep.complete",
        "scores": "sweep.summary['score_sentiment'].tolist()",
    }
    found = run("01_quickstart", tmp_path, asked, "PROMPTS = 4\nSAMPLES = 2")
    assert found["texts"] == 9 * 4 * 2 and found["complete"]
    assert found["scores"][-1] > found["scores"][0]
    assert found["pictures"] == drawing("01_quickstart")
    out = tmp_path / "out" / "quickstart"
    assert "<svg" in (out / "sentiment.html").read_text(encoding="utf-8")
    assert (out / "cheerful" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_one_attribute(tmp_path: Path) -> None:
    asked = {
        "between": "scores.to_dict('list')",
        "stable": "[list(analysis.stable_range(beyond, name)) for name in lm.attributes]",
        "perplexity": "[beyond.summary.loc[beyond.summary[f'alpha_{name}'].notna(), 'perplexity']"
        ".tolist() for name in lm.attributes]",
    }
    found = run("02_one_attribute", tmp_path, asked)
    assert set(found["pictures"]) >= set(drawing("02_one_attribute"))
    for scores in found["between"].values():
        assert scores[4] - scores[0] > 0.4
        # rising, but for the noise of a few texts
        assert all(b - a > -0.1 for a, b in pairwise(scores))
    for low, high in found["stable"]:
        assert low <= 0 and high >= 1
    for perplexity in found["perplexity"]:
        anchors = max(perplexity[6], perplexity[8])
        assert perplexity[0] > 1.5 * anchors and perplexity[-1] > 1.5 * anchors
        assert perplexity[7] < anchors


@pytest.mark.slow
def test_simplices(tmp_path: Path) -> None:
    corners = (
        "[[s.summary.loc[s.summary[f'lam_{at}'] == 1, f'score_{of}'].item() for at in names] "
        "for (names, alpha), s in sweeps.items() if alpha == {} for of in names]"
    )
    asked = {
        "high": corners.replace("{}", "1"),
        "low": corners.replace("{}", "0"),
        "perplexity": "perplexity.drop(columns='attributes').to_dict('records')",
        "points": "[len(s.grid) for s in sweeps.values()]",
    }
    found = run("03_simplices", tmp_path, asked)
    assert found["points"] == [21] * 4
    for k, row in enumerate(found["high"]):
        assert max(row) == row[k % 3]
    for k, row in enumerate(found["low"]):
        assert min(row) == row[k % 3]
    for row in found["perplexity"]:
        assert row["worst mixture"] < row["worst corner"]
    assert set(found["pictures"]) >= set(drawing("03_simplices"))


@pytest.mark.slow
def test_five_attributes(tmp_path: Path) -> None:
    asked = {
        "reach": "[(plane[1.0] - plane[0.0]).tolist() for plane in planes.values()]",
        "shape": "[list(plane.shape) for plane in planes.values()]",
    }
    found = run("04_five_attributes", tmp_path, asked)
    assert found["shape"] == [[5, 5]] * 5
    for reach in found["reach"]:
        assert reach[-1] > 0.4 and reach[-1] > reach[0]
    assert found["pictures"] == drawing("04_five_attributes")


@pytest.mark.slow
def test_entanglement_and_geometry(tmp_path: Path) -> None:
    asked = {
        "areas": "areas.stack().dropna().tolist()",
        "own": "list(own.values())",
        "cosine": "cosine.loc[~cosine.index.isin(['base'])].to_numpy().tolist()",
    }
    found = run("05_entanglement_and_geometry", tmp_path, asked)
    assert len(found["areas"]) == 20 and all(0 <= area < 0.5 for area in found["areas"])
    assert sum(found["own"]) / 5 > 2 * sum(found["areas"]) / 20
    assert all(abs(row[k] - 1) < 1e-9 for k, row in enumerate(found["cosine"]))
    assert found["pictures"] == drawing("05_entanglement_and_geometry")


@pytest.mark.slow
def test_your_own_model(tmp_path: Path) -> None:
    asked = {
        "scores": "sweep.summary.set_index('alpha_weather')['score_weather'].tolist()",
        "alphas": "sweep.summary['alpha_weather'].tolist()",
        "differences": "differences",
    }
    found = run("06_your_own_model", tmp_path, asked)
    scores = dict(zip(found["alphas"], found["scores"], strict=True))
    assert scores[1.0] - scores[0.0] > 0.3
    assert found["pictures"] == drawing("06_your_own_model")
    assert found["differences"]["adapter"] < 1e-3
    # the merged checkpoint is stored in the base's bfloat16
    assert found["differences"]["merged"] < 0.3


if __name__ == "__main__":
    for name in NAMES:
        (FOLDER / f"{name}.ipynb").write_text(cleaned(name), encoding="utf-8")
