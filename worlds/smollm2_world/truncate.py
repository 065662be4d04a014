"""A PEFT adapter with its deltas truncated to a lower rank, in bfloat16."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from contlm.loading.export import export_folder
from safetensors.torch import load_file, save_file

BASE_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"


def truncate(source: Path, target: Path, rank: int) -> float:
    """Writes `source` with every delta B A replaced by its best approximation of `rank`; other
    tensors (a score head) as they are. Returns |D - D'| / |D| over all modules (Frobenius).

    QR of both factors, then the SVD of what is between them: B A = Q_b (R_b R_a^T) Q_a^T.
    """
    config = json.loads((source / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = load_file(source / "adapter_model.safetensors")
    scaling = config["lora_alpha"] / config["r"]
    kept, lost, whole = {}, 0.0, 0.0
    for name, tensor in tensors.items():
        if ".lora_B." in name:
            continue
        if ".lora_A." not in name:
            kept[name] = tensor.bfloat16().contiguous()
            continue
        other = name.replace(".lora_A.", ".lora_B.")
        q_a, r_a = torch.linalg.qr(tensor.double().T)
        q_b, r_b = torch.linalg.qr(tensors[other].double())
        u, s, v = torch.linalg.svd(scaling * r_b @ r_a.T)
        whole += float((s**2).sum())
        lost += float((s[rank:] ** 2).sum())
        root = s[:rank].sqrt()
        kept[name] = (root[:, None] * (q_a @ v[:rank].T).T).bfloat16().contiguous()
        kept[other] = ((q_b @ u[:, :rank]) * root).bfloat16().contiguous()
    # the scaling is in the factors now
    config.update(r=rank, lora_alpha=rank, base_model_name_or_path=BASE_NAME)
    for key in ("target_modules", "modules_to_save"):
        if isinstance(config.get(key), list):
            config[key].sort()
    with export_folder(target, {"truncated_to": rank}) as folder:
        save_file(kept, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    return (lost / whole) ** 0.5
