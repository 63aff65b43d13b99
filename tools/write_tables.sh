#!/usr/bin/env bash
# Writes docs/api/*.json from the program's own tables. usage: tools/write_tables.sh [build/dev/bin]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=${1:-build/dev/bin}/lakehouse
mkdir -p docs/api
"$program" tables --json | python3 -c '
import json, sys
table = json.load(sys.stdin)
rows = table if isinstance(table, list) else table.get("items", table.get("rows", []))
print("\n".join(row["name"] if isinstance(row, dict) else row for row in rows))' |
    while read -r name; do
        "$program" tables "$name" --json >"docs/api/$name.json.new"
        mv "docs/api/$name.json.new" "docs/api/$name.json"
    done
