#!/usr/bin/env bash
# Configures a preset when it was not yet, and builds it. usage: scripts/build.sh PRESET JOBS [TARGET]
# Prints nothing but what the compiler says when there is nothing to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:?usage: build.sh PRESET JOBS [TARGET]}
jobs=${2:-2}
target=${3:-all}
dir=build/$preset
if [ ! -f "$dir/build.ninja" ] || [ CMakePresets.json -nt "$dir/build.ninja" ]; then
    printf 'build: configuring %s\n' "$preset"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! cmake --preset "$preset" >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
if [ -t 1 ]; then # on a terminal the progress line is worth having
    ninja -C "$dir" -j "$jobs" "$target"
else
    ninja -C "$dir" -j "$jobs" --quiet "$target" 2>&1 | sed '/^ninja: no work to do/d; /^-- /d'
fi

# The embedding model in the form the program maps: made once, and again when this program does not read what is there
# or misses a precision in it.
model=deps/model/all-MiniLM-L6-v2
if [ -x "$dir/bin/lakehouse" ] && [ -f "$model/model.safetensors" ] &&
    ! "$dir/bin/lakehouse" embed --model "$model.lhm" --precision int8 --format ndjson </dev/null >/dev/null 2>&1; then
    printf 'build: packing the embedding model\n'
    "$dir/bin/lakehouse" embed --pack "$model" "$model.lhm" 2>/dev/null
fi
