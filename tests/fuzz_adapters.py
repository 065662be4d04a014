"""Run by test_peft_adapter.py in its own process: mutated adapters are read or refused."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

from contlm._native import read_peft_adapter
from contlm.loading.target_patterns import match_names
from test_safetensors import mutate

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    3,
    2**40,
    2**70,
    0.5,
    1e300,
    "",
    "LORA",
    ".*",
    "(",
    "a{99}",
    [],
    ["q_proj"],
    [[]],
    [3],
    {},
    {"q_proj": 4},
    {"": 1},
    {"(": 2},
    {"q_proj": {}},
    {"x": [1]},
    "q" * 5000,
    "\u00e9\U0001f600",
]


def mutate_config(text: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        raw = bytearray(text)
        for _ in range(rng.randint(1, 3)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw[: rng.randrange(len(raw))] if rng.random() < 0.3 else raw)
    config = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        config[rng.choice([*config, "new"])] = rng.choice(VALUES)
    return json.dumps(config).encode()


def main(folder: Path, count: int) -> None:
    rng = random.Random(20241)
    table = json.loads((folder / "modules.json").read_text())
    modules = {name: tuple(entry) for name, entry in table.items()}
    config = (folder / "a" / "adapter_config.json").read_bytes()
    tensors = (folder / "a" / "adapter_model.safetensors").read_bytes()
    counts = {"read": 0, "refused": 0}
    shutil.copytree(folder / "a", folder / "b")
    for _ in range(count):
        on_config = rng.random() < 0.5
        mutated = mutate_config(config, rng) if on_config else mutate(tensors, rng)
        (folder / "b" / "adapter_config.json").write_bytes(mutated if on_config else config)
        (folder / "b" / "adapter_model.safetensors").write_bytes(tensors if on_config else mutated)
        try:
            adapter = read_peft_adapter(folder / "b", modules, match_names)
        except ValueError as error:
            assert str(folder / "b") in str(error)
            counts["refused"] += 1
            continue
        for module in adapter.modules().values():
            assert module["A"].shape[0] == module["B"].shape[1] == module["r"] > 0
            float(module["A"].double().sum() + module["B"].double().sum())
        counts["read"] += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
