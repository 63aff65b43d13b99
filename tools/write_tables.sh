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
        # A file that says the same stays as it is, so that a diff shows what changed.
        "$program" tables "$name" --json | python3 -c '
import json, pathlib, sys
path, table = pathlib.Path(sys.argv[1]), json.load(sys.stdin)
if not path.exists() or json.loads(path.read_text("utf-8")) != table:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", "utf-8")' "docs/api/$name.json"
    done
