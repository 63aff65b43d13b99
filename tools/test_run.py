#!/usr/bin/env python3
"""Runs every test and adds the results up.

usage: test_run.py --preset dev [--release release] [--only unit,fuzz,golden,e2e,fault] [-k WORD]

unit and fuzz are ctest labels (a unit program counts each of its Check tests, a corpus replay counts one);
golden, e2e and fault are pytest folders. The last line is always "N passed, N failed"; nothing run is a failure.
"""
import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FAILED_LINE = re.compile(r"^(?:\d+: )?(\S+:\d+:[FE]:.*)$", re.M)
CHECK_LINE = re.compile(r"^(?:\d+: )?\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
PYTEST_FOLDERS = ("golden", "e2e", "fault")


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.what_failed = []  # a line each: shown last, where the end of a long log is read

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def run_ctest(build, label, totals):
    """Runs one label; every test's output is read for the number of checks inside it."""
    listing = subprocess.run(["ctest", "--test-dir", build, "-N", "-L", label], text=True, capture_output=True)
    if "Total Tests: 0" in listing.stdout:
        print(f"test: no {label} tests")
        return
    report = os.path.join(build, f"{label}.junit.xml")
    # Unit programs are short and independent; two at once keep both cores busy.
    status = subprocess.run(["ctest", "--test-dir", build, "-L", label, "--output-on-failure",
                             "-j", str(os.cpu_count() or 2), "--output-junit", report,
                             "--test-output-size-passed", "1000000", "--test-output-size-failed", "1000000"])
    failed_before = totals.failed
    for case in ET.parse(report).getroot().iter("testcase"):
        broken = case.get("status") != "run" or case.find("failure") is not None
        output = case.findtext("system-out") or ""
        if broken:
            totals.what_failed += FAILED_LINE.findall(output) or [f"{case.get('name')}: {case.get('status')}"]
        counts = CHECK_LINE.search(output)
        if counts is None:
            totals.add(0 if broken else 1, 1 if broken else 0)
            continue
        checks, failures, errors = (int(group) for group in counts.groups())
        bad = failures + errors
        totals.add(checks - bad, bad if bad or not broken else 1)
    if status.returncode != 0 and totals.failed == failed_before:
        totals.add(0, 1)


def run_pytest(folder, build, release, words, totals):
    """Runs tests/<folder>; they find the programs through the environment."""
    path = os.path.join(ROOT, "tests", folder)
    if not os.path.isdir(path) or not any(name.endswith(".py") for _, _, names in os.walk(path) for name in names):
        print(f"test: no {folder} tests")
        return
    report = os.path.join(build, f"{folder}.junit.xml")
    if os.path.exists(report):
        os.unlink(report)
    env = dict(os.environ, LH_BIN_DIR=os.path.join(build, "bin"), LH_ROOT=ROOT)
    if release:
        env["LH_RELEASE_BIN_DIR"] = os.path.join(ROOT, "build", release, "bin")
    env.setdefault("TSAN_OPTIONS", f"suppressions={ROOT}/tools/tsan.supp:halt_on_error=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    command = [sys.executable, "-m", "pytest", "-q", "--no-header",
               "-n", str(os.cpu_count() or 2), "--dist", "loadgroup",
               "--durations", "10", "--junitxml", report, path]
    if words:
        command += ["-k", words]
    status = subprocess.run(command, cwd=ROOT, env=env)
    failed_before = totals.failed
    if os.path.exists(report):
        for suite in ET.parse(report).getroot().iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            totals.add(int(suite.get("tests", 0)) - bad - skipped, bad, skipped)
            for case in suite.iter("testcase"):
                for verdict in (*case.findall("failure"), *case.findall("error")):
                    why = (verdict.get("message") or "").strip().splitlines() or [verdict.tag]
                    totals.what_failed.append(f"{case.get('classname')}.{case.get('name')}: {why[0][:300]}")
    if status.returncode not in (0, 5) and totals.failed == failed_before:
        totals.add(0, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="dev")
    parser.add_argument("--release", default="")
    parser.add_argument("--only", default="unit,fuzz,golden,e2e,fault")
    parser.add_argument("-k", dest="words", default="")
    args = parser.parse_args()
    build = os.path.join(ROOT, "build", args.preset)
    totals = Totals()
    started = time.monotonic()
    for part in args.only.split(","):
        begun = time.monotonic()
        print(f"test: {part}", flush=True)
        if part in PYTEST_FOLDERS:
            run_pytest(part, build, args.release, args.words, totals)
        else:
            run_ctest(build, part, totals)
        print(f"test: {part} took {time.monotonic() - begun:.0f} s", flush=True)
    skipped = f", {totals.skipped} skipped" if totals.skipped else ""
    for line in totals.what_failed:
        print(f"failed: {line}")
    print(f"test: all took {time.monotonic() - started:.0f} s")
    print(f"{totals.passed} passed, {totals.failed} failed{skipped}")
    sys.exit(0 if totals.failed == 0 and totals.passed > 0 else 1)


if __name__ == "__main__":
    main()
