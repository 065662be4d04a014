#!/usr/bin/env bash
# Builds on a machine with a GPU against the torch that it has, runs the GPU tests and benchmarks, and writes the figures to
# $OUT (default: benchmarks/results).
set -euo pipefail
out=$(realpath -m "${OUT:-$(dirname "$0")/results}")
cd "$(dirname "$0")/.."
mkdir -p "$out"
python3 -m pip install --quiet --no-build-isolation --no-deps .
python3 -m pytest -m gpu 2>&1 | tee "$out/gpu_tests.log"
cd benchmarks
for dtype in float32 bfloat16; do
  python3 bench_generate.py --device cuda --dtype "$dtype" --rows 3 64 256 --out "$out" 2>&1 | tee "$out/generate_$dtype.log"
done
