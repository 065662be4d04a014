"""``python -m tiny_world.custom``: adapters fine-tuned on a mixture, the paper's
ground truth for alpha.

For a fraction f of 0, .25, .5, .75 and 1, an adapter is fine-tuned on stories of which the fraction
f is high and the rest low. Interpolation at alpha = f is judged by how close its scores come to
that adapter's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from contlm.zoo.tiny import DATA
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from tiny_world.anchors import train_adapter
from tiny_world.grammar import ATTRIBUTES
from tiny_world.recipe import QUICK, SEED, Recipe

FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tiny_world.custom", description=__doc__)
    parser.add_argument("--attribute", choices=ATTRIBUTES, action="append",
                        help="may be given more than once; all by default")
    parser.add_argument("--out", type=Path, required=True,
                        help="adapters go to OUT/<attribute>-<fraction>")
    parser.add_argument("--base", type=Path, default=DATA / "base")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a few steps only")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers_logging.disable_progress_bar()
    recipe = QUICK if arguments.quick else Recipe()
    wanted = [(attribute, fraction) for attribute in arguments.attribute or ATTRIBUTES
              for fraction in FRACTIONS]
    for attribute, fraction in tqdm(wanted, desc="custom", unit="adapter"):
        train_adapter(arguments.base, arguments.out / f"{attribute}-{fraction:g}", attribute,
                      fraction, recipe, arguments.seed)


if __name__ == "__main__":
    main()
