#!/usr/bin/env bash
# Every figure of README.md anew, about 23 minutes on two Zen 5 cores; --quick shows in two minutes, on two layers, that all of it
# works, and writes no table. What is finished is kept when the run is cut short or a benchmark fails: README.md's tables are made
# of whatever results are there. Leave the machine to it alone. Results go to $OUT (default: benchmarks/results; elsewhere
# README.md stays as it is).
set -euo pipefail
out=$(realpath -m "${OUT:-$(dirname "$0")/results}")
generate=(--rows 3 64) metrics=() sweep=(--points 6)
if [[ ${1:-} == --quick ]]; then
  [[ -n ${OUT:-} ]] || out=$(mktemp -d)
  generate=(--rows 3 --rounds 1 --layers 2) metrics=(--rounds 1 --texts 16 --tokens 1536 --layers 2)
  sweep=(--points 1 --rounds 1 --prompts 2 --layers 2)
elif [[ $# -gt 0 ]]; then
  echo "usage: $0 [--quick]" >&2
  exit 2
fi

cd "$(dirname "$0")"

write_tables() {
  if [[ $out -ef results ]]; then python3 readme_tables.py --write; fi
  echo "all: $SECONDS s, results in $out"
}
trap write_tables EXIT

status=0
timed() {
  local start=$SECONDS said=
  python3 "$@" --out "$out" || { status=1 && said=", FAILED: its former result stays"; }
  echo "$*: $((SECONDS - start)) s$said"
}
for dtype in float32 bfloat16; do timed bench_generate.py --dtype "$dtype" "${generate[@]}"; done
for dtype in float32 bfloat16; do timed bench_metrics.py --dtype "$dtype" "${metrics[@]}"; done
for dtype in float32 bfloat16; do timed bench_sweep.py --dtype "$dtype" "${sweep[@]}"; done
exit $status
