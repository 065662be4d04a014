"""What makes the smollm2 world: anchors and classifiers trained on real sentences, then truncated."""
