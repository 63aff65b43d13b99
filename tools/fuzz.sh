#!/usr/bin/env bash
# Fuzzes each target (or one) for a time; new inputs that reach new code join the corpus, findings stop the run.
# usage: tools/fuzz.sh SECONDS [NAME]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:?usage: fuzz.sh SECONDS [NAME]}
wanted=${2:-}
export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
export LD_LIBRARY_PATH=$PWD/deps/duckdb
passed=0
failed=0
for program in build/fuzz/bin/fuzz_*; do
    [ -x "$program" ] || continue
    name=${program##*/fuzz_}
    [ -z "$wanted" ] || [ "$wanted" = "$name" ] || continue
    kept=tests/fuzz/corpus/$name
    grown=build/fuzz/corpus/$name
    found=build/fuzz/findings/$name
    mkdir -p "$kept" "$grown" "$found"
    dictionary=()
    [ ! -f "tests/fuzz/$name.dict" ] || dictionary=("-dict=tests/fuzz/$name.dict")
    printf 'fuzz: %s for %s s\n' "$name" "$seconds"
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        "${dictionary[@]}" -artifact_prefix="$found/" "$grown" "$kept" >"build/fuzz/$name.log" 2>&1; then
        grep -E 'stat::(number_of_executed_units|average_exec_per_sec)' "build/fuzz/$name.log"
        # Only what adds coverage to the committed corpus, and only small files.
        "$program" -merge=1 -max_len=4096 "$kept" "$grown" >>"build/fuzz/$name.log" 2>&1 || true
        passed=$((passed + 1))
    else
        tail -n 40 "build/fuzz/$name.log"
        printf 'fuzz: %s: finding kept in %s\n' "$name" "$found"
        failed=$((failed + 1))
    fi
done
[ $((passed + failed)) -gt 0 ] || { echo "fuzz: no such target" >&2; exit 2; }
printf 'fuzz: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
