#!/usr/bin/env bash
# Runs benches: bench/NAME.py, bench/NAME.sh, bench/NAME/run.{py,sh}, or the
# program build/<preset>/bench/NAME.
# usage: tools/bench.sh PRESET [NAME]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:?usage: bench.sh PRESET [NAME]}
wanted=${2:-}
export LH_BIN_DIR=$PWD/build/$preset/bin LH_BENCH_DIR=$PWD/build/$preset/bench

# A script wins over a program of the same name: it drives the program.
declare -A runs=()
for file in "build/$preset/bench"/* bench/*/run.sh bench/*/run.py bench/*.sh bench/*.py; do
    [ -f "$file" ] || continue
    name=${file#"build/$preset/"}
    name=${name#bench/}
    name=${name%/run.*}
    name=${name%.*}
    case $name in _* | common | conftest) continue ;; esac
    runs[$name]=$file
done
[ ${#runs[@]} -gt 0 ] || { echo "bench: nothing to run" >&2; exit 1; }

status=0
for name in $(printf '%s\n' "${!runs[@]}" | sort); do
    [ -z "$wanted" ] || [ "$wanted" = "$name" ] || continue
    found=yes
    file=${runs[$name]}
    printf 'bench: %s\n' "$name" >&2
    case $file in
    *.py) deps/venv/bin/python3 "$file" || status=1 ;;
    *.sh) bash "$file" || status=1 ;;
    *) "$file" || status=1 ;;
    esac
done
[ -n "${found:-}" ] || { printf 'bench: no bench is called %s; there are: %s\n' "$wanted" "${!runs[*]}" >&2; exit 2; }
exit $status
