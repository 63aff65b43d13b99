"""Rows of tests: written as CSV, read back from hits."""

import csv
import io

COLUMNS = ("id", "text", "topic", "rank")


def as_csv(rows):
    """As many of COLUMNS as the rows have; every text is quoted, so that an empty one is no NULL."""
    rows = list(rows)
    out = io.StringIO()
    out.write(",".join(COLUMNS[: len(rows[0])]) + "\n")
    csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(rows)
    return out.getvalue()


def ids(result):
    return [hit["id"] for hit in result["hits"]]
