"""Training anchors, classifiers and mixtures: LoRA adapters that PEFT and contlm load.

Needs transformers and peft (`pip install 'contlm[train]'`).
"""

from contlm.train import recipes
from contlm.train.presets import CPU, PAPER, Preset
from contlm.train.runs import anchors, classifier, mixtures

__all__ = ["CPU", "PAPER", "Preset", "anchors", "classifier", "mixtures", "recipes"]
