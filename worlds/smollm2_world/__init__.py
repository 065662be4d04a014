"""What makes the smollm2 world: anchors and classifiers of real sentences, then truncated."""
