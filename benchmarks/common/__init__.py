"""What the benchmarks share: models of a stated shape, the peers, needed work and its bound, timing
in turn, and results with their machine."""
