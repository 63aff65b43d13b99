"""One result of a bench: a JSON line with what was measured, its peer, and the machine and compiler it was measured on."""
import functools
import json
import os
import platform
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN_DIR = os.environ.get("LH_BIN_DIR", os.path.join(ROOT, "build", "release", "bin"))
BENCH_DIR = os.environ.get("LH_BENCH_DIR", os.path.join(ROOT, "build", "release", "bench"))


@functools.cache
def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as source:
        text = source.read()
    found = re.search(r"model name\s*:\s*(.*)", text)
    widest = next((name for name in ("avx512_vnni", "avx2") if name in text), "baseline")
    return "%s x%d (%s)" % (found.group(1) if found else platform.machine(), os.cpu_count() or 1, widest)


@functools.cache
def compiler_name():
    done = subprocess.run([os.path.join(BIN_DIR, "lakehouse"), "version", "--json"], capture_output=True, check=True)
    return json.loads(done.stdout)["compiler"]


def rounded(value):
    return float("%.7g" % value) if isinstance(value, float) else value


def emit(name, value, unit, n, peer=None, peer_value=None, ratio=None, **more):
    """Prints one result; its ratio is ours by theirs unless one is given. Returns the ratio."""
    if ratio is None and peer_value:
        ratio = value / peer_value
    row = {"name": name, "value": value, "unit": unit, "n": n, "peer": peer, "peer_value": peer_value, "ratio": ratio}
    row.update(more, cpu=cpu_name(), compiler=compiler_name())
    print(json.dumps({key: rounded(entry) for key, entry in row.items()}), flush=True)
    return ratio
