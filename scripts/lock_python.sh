#!/usr/bin/env bash
# Writes packages/python-<purpose>.lock: every package that python-<purpose>.txt leads to, with version and hash,
# for Debian's Python version. Run it by hand after changing a list; read the diff. usage: lock_python.sh test|bench
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
purpose=${1:?usage: lock_python.sh test|bench}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -m venv "$work/venv"
list=packages/python-$purpose.txt
constraint=()
if [ "$purpose" != test ]; then # what both need must be the same version: they share deps/venv
    sed 's/ --hash.*//; /^#/d' packages/python-test.lock >"$work/constraint"
    constraint=(-c "$work/constraint")
fi
report() { "$work/venv/bin/pip" install -q --dry-run --only-binary :all: --report "$@"; }
grep -v '(alone)' "$list" >"$work/with"
grep '(alone)' "$list" >"$work/alone" || true
report "$work/with.json" -r "$work/with" "${constraint[@]}"
[ ! -s "$work/alone" ] || report "$work/alone.json" --no-deps -r "$work/alone"
python3 - "$purpose" "$work"/*.json >"packages/python-$purpose.lock" <<'PY'
import json
import sys

purpose, *reports = sys.argv[1:]
print(f"# Written by scripts/lock_python.sh {purpose} from python-{purpose}.txt; do not edit.")
rows = []
for item in [item for path in reports for item in json.load(open(path))["install"]]:
    meta = item["metadata"]
    digest = item["download_info"]["archive_info"]["hash"].replace("=", ":")
    rows.append(f"{meta['name'].lower()}=={meta['version']} --hash={digest}")
print("\n".join(sorted(rows)))
PY
