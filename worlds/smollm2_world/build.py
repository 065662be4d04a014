"""``python -m smollm2_world.build``: trains the anchors and classifiers of the smollm2 world, and
truncates them to what the package can hold. Run again after a kill, it goes on.

The base must be there (``contlm zoo fetch smollm2``). The sentences are one TSV file per attribute
with the columns text, label and split, in the folder that ``--data`` or CONTLM_ATTRIBUTES names.
About an hour of one thread of a Zen 5 for the anchors, a third of that for the classifiers.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import torch
from contlm import train, zoo
from contlm._common.files import whole_file

from smollm2_world.truncate import truncate

# batches of 16 are twice the updates of batches of 32 in the same time
ANCHOR = replace(
    train.CPU, name="smollm2 anchor", batch_size=16, learning_rate=4e-4, steps=120
)
CLASSIFIER = replace(
    train.CPU, name="smollm2 classifier", r=8, lora_alpha=16, batch_size=16, learning_rate=4e-4,
    steps=120,
)  # fmt: skip
SHIPPED_RANK = 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m smollm2_world.build", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("CONTLM_ATTRIBUTES"), metavar="DIR"
    )
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("--data: must name the folder of the sentences, or CONTLM_ATTRIBUTES must")
    torch.set_num_threads(arguments.threads)
    # products in bf16 with fp32 sums where the processor has them; weights stay fp32
    torch.set_float32_matmul_precision("medium")
    build(arguments.data, arguments.out)


def build(data: Path, out: Path) -> None:
    """out/full holds what was trained, out/data what the package ships."""
    world = zoo.find("smollm2")
    base = world.base_path()
    halves = {name: split_in_two(data / f"{name}.tsv", out / "texts") for name in world.attributes}
    full, shipped = out / "full", out / "data"
    for name, (texts, _) in halves.items():
        for folder in train.anchors(base, texts, full / "adapters", attribute=name, preset=ANCHOR):
            truncate(folder, shipped / "adapters" / folder.name, SHIPPED_RANK)
    for name, (_, texts) in halves.items():
        folder = train.classifier(
            base, texts, full / "classifiers", attribute=name, preset=CLASSIFIER
        )
        truncate(folder, shipped / "classifiers" / name, SHIPPED_RANK)


def split_in_two(file: Path, out: Path) -> tuple[Path, Path]:
    """(for the anchors, for the classifier): the train lines halved by the hash of their text, so
    that no classifier has seen what an anchor learnt; valid and test lines in both."""
    out.mkdir(parents=True, exist_ok=True)
    header, *lines = file.read_text(encoding="utf-8").rstrip("\n").split("\n")
    halves: tuple[list[str], list[str]] = ([header], [header])
    for line in lines:
        text, _, split = line.split("\t")
        own = hashlib.sha256(text.encode()).digest()[0] % 2
        for side, half in enumerate(halves):
            if split != "train" or side == own:
                half.append(line)
    made = out / f"{file.stem}.anchors.tsv", out / f"{file.stem}.classifier.tsv"
    for target, half in zip(made, halves, strict=True):
        with whole_file(target) as beside:
            beside.write_text("\n".join(half) + "\n", encoding="utf-8")
    return made


if __name__ == "__main__":
    main()
