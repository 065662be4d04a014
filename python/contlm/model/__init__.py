"""A base model with its anchors at any point: logits, generation, perplexity; and classifiers."""
