"""Run by test_safetensors.py in its own process: mutated files, ours and the package's verdict."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from contlm import CheckpointError
from contlm._native import TensorSource
from test_safetensors import accepted_by_package, mutate


def originals() -> list[bytes]:
    small = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(5, dtype=torch.bfloat16)}
    odd = {"s": torch.tensor(3), "z": torch.empty(0, 4), "\u00e9": torch.ones(3, dtype=torch.bool)}
    return [
        safetensors.torch.save(small),
        safetensors.torch.save({**small, **odd}, {"format": "pt", "k": "v"}),
    ]


def main(folder: Path, count: int) -> None:
    rng = random.Random(20240)
    seeds, counts = originals(), {"files": 0, "accepted": 0, "refused": 0}
    for number in range(count):
        blob = mutate(rng.choice(seeds), rng)
        path = folder / "x.safetensors"
        path.write_bytes(blob)
        expected = accepted_by_package(blob)
        try:
            source = TensorSource.open_safetensors(path)
        except CheckpointError as error:
            assert not expected, f"{number}: only we refuse it: {error}\n{blob!r}"
            counts["refused"] += 1
        else:
            assert expected, f"{number}: only we accept it\n{blob!r}"
            counts["accepted"] += 1
            theirs = dict(safetensors.deserialize(blob))
            assert source.names() == sorted(theirs, key=lambda name: name.encode())
            for name in source.names():
                try:
                    tensor = source.tensor(name)
                except CheckpointError:
                    continue  # nothing that torch can hold
                raw = bytes(theirs[name]["data"])
                assert tensor.nbytes == len(raw), number
                if raw:
                    ours = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
                    assert ours == raw, number
        counts["files"] += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
