"""The real server as a test sees it: started, asked, stopped, killed; its own words kept and read at the end.

Server owns a process and the folder it works in. Nothing here sleeps: every wait is for an event (a file, an exit, a
reply) with a deadline. A server that ends with a sanitizer's report in its stderr fails the test that used it.
"""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import threading
import time

from support.client import Client

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_S = 60  # a sanitized start on a busy machine
STOP_S = 60
REPORT = re.compile(
    r"ERROR: (?:Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|assertion failed|" r"lh_assert", re.I
)


def bin_dir():
    """Where the programs under test are: LH_BIN_DIR (the test runner sets it), else the dev build."""
    return pathlib.Path(os.environ.get("LH_BIN_DIR", ROOT / "build" / "dev" / "bin"))


def program(name="lakehouse"):
    return str(bin_dir() / name)


def version():
    done = subprocess.run([program(), "version", "--json"], capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


def run(*args, env=None, cwd=None, stdin=None, timeout=120):
    """One command of the program, to its end. The result has returncode, stdout and stderr as text."""
    full = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
    full.update(env or {})
    return subprocess.run(
        [program(), *map(str, args)], capture_output=True, text=True, env=full, cwd=cwd, input=stdin, timeout=timeout
    )


def wait_until(check, seconds, what="", process=None):
    """Returns check()'s first true value. Looks again every few milliseconds, sooner when the process ends."""
    end = time.monotonic() + seconds
    pidfd = os.pidfd_open(process.pid) if process is not None and process.poll() is None else None
    try:
        while True:
            value = check()
            if value:
                return value
            if process is not None and process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode} while waiting for {what or check}")
            if time.monotonic() > end:
                raise TimeoutError(f"no {what or check} after {seconds} s")
            select.select([pidfd] if pidfd is not None else [], [], [], 0.005)
    finally:
        if pidfd is not None:
            os.close(pidfd)


def in_background(call):
    """Runs call on a thread: (thread, box); box gets its value or its error."""
    box = {}

    def work():
        try:
            box["value"] = call()
        except Exception as error:  # handed to the test that waits for it
            box["error"] = error

    thread = threading.Thread(target=work)
    thread.start()
    return thread, box


def children(pid):
    """All descendants of a process that live now."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
                parents[int(entry)] = (int(fields[1]), fields[0])
            except OSError:
                continue
    found, wanted = [], {pid}
    while wanted:
        wanted = {child for child, (parent, state) in parents.items() if parent in wanted and state != "Z"}
        found += wanted
    return found


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def rss_bytes(pid, field="VmRSS"):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Server:
    """lakehouse serve on a port of its own, with its own data folder and inbox below `folder`."""

    def __init__(self, folder, env=None, args=(), auto_start=True, inbox=False, faults=None, programs=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.inbox = self.folder / "inbox"
        self.ready_file = self.folder / "ready.json"
        self.stderr_file = self.folder / "stderr.txt"
        self.env = dict(env or {})
        self.args = list(args)
        self.with_inbox = inbox
        self.faults = faults
        self.programs = pathlib.Path(programs) if programs else bin_dir()
        self.process = None
        self.listener = None
        self.address = None
        self.pid = None
        self.forgiven = 0  # bytes of stderr a test has looked at itself
        if auto_start:
            self.start()

    def environment(self):
        env = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
        env["LAKEHOUSE_INGEST_INBOX"] = str(self.inbox)
        env["LAKEHOUSE_INGEST_INBOX_ENABLED"] = "true" if self.with_inbox else "false"
        env["LAKEHOUSE_INGEST_INBOX_POLL"] = "100ms"
        env["LAKEHOUSE_LOG_FORMAT"] = "json"
        # on a busy machine they would wait for ever for their turn
        env["LAKEHOUSE_EMBED_BACKGROUND"] = env["LAKEHOUSE_VECTOR_BACKGROUND"] = "false"
        # workers map much address space on purpose; what limits them in tests is said by the test
        env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        if "TSAN_OPTIONS" in env:  # the engine in a worker is not instrumented: all it does would look like a race
            env["TSAN_OPTIONS"] += ":ignore_noninstrumented_modules=1"
        if self.faults:
            env["LAKEHOUSE_FAULTS"] = self.faults
        env.update(self.env)
        return env

    def spawn(self):
        """Starts the process and returns it, without waiting."""
        self.ready_file.unlink(missing_ok=True)
        # A pipe, not the file itself: workers may not make files grow, and their last words would be lost.
        self.process = subprocess.Popen(
            [
                str(self.programs / "lakehouse"),
                "serve",
                "--data",
                str(self.data),
                "--listen",
                "127.0.0.1:0",
                "--ready-file",
                str(self.ready_file),
                *self.args,
            ],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        self.listener = threading.Thread(target=self.listen, args=(self.process.stdout,), daemon=True)
        self.listener.start()
        return self.process

    def listen(self, pipe):
        with pipe, open(self.stderr_file, "ab", buffering=0) as words:
            while piece := os.read(pipe.fileno(), 65536):
                words.write(piece)

    def start(self):
        self.spawn()
        try:
            wait_until(self.ready_file.exists, START_S, "ready file", self.process)
        except (RuntimeError, TimeoutError) as error:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"{error}\n{self.stderr()[-4000:]}") from None
        self.address = json.loads(self.ready_file.read_text())["http"]
        return self

    def client(self, **options):
        return Client(self.address, **options)

    def stderr(self):
        return self.stderr_file.read_text(errors="replace") if self.stderr_file.exists() else ""

    def log(self, event=None):
        """The log's lines as objects; those of one event when it is named."""
        lines = []
        for line in self.stderr().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return [line for line in lines if event is None or line.get("event") == event]

    def running(self):
        return self.process is not None and self.process.poll() is None

    def tree(self):
        return [self.pid, *children(self.pid)]

    def rss(self):
        return rss_bytes(self.pid)

    def wait_exit(self, seconds=STOP_S):
        return self.process.wait(seconds)

    def check(self):
        """Raises when a sanitizer or an assertion of ours spoke."""
        if self.listener is not None and not self.running():
            self.listener.join(20)  # ends when the last worker is gone
        text = self.stderr()[self.forgiven :]
        found = REPORT.search(text)
        if found:
            raise AssertionError("the server reported:\n" + text[max(0, found.start() - 500) : found.start() + 6000])

    def stop(self, expect=0):
        """SIGTERM, the end, and what was said until then. Its workers must be gone as well."""
        if not self.running():
            self.check()
            return
        tree = self.tree()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError("the server did not stop:\n" + self.stderr()[-4000:]) from None
        wait_until(lambda: not any(map(lives, tree)), 10, "end of the workers")
        self.check()
        assert code == expect, f"exit {code}\n{self.stderr()[-4000:]}"

    def kill(self):
        """kill -9, as a power cut for the process. Workers notice by themselves."""
        tree = self.tree()
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not any(map(lives, tree)), 20, "end of the workers")
        self.check()

    def restart(self, hard=False, **changes):
        if self.running():
            self.kill() if hard else self.stop()
        for name, value in changes.items():
            setattr(self, name, value)
        return self.start()

    def fsck(self, *more):
        """(exit code, summary, findings) of `lakehouse fsck` on the data folder."""
        done = run("fsck", "--data", self.data, "--json", *more)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, done.stderr
        return done.returncode, lines[-1], lines[:-1]

    def stop_clean(self):
        """Stops, and nothing is wrong with what it leaves."""
        self.stop()
        self.assert_clean()

    def assert_clean(self):
        code, summary, findings = self.fsck()
        assert code == 0 and summary["clean"], findings
        return findings

    def files(self, under=""):
        """Names of the files below a folder of the data folder, but not of .lakehouse, where they come and go."""
        found = []
        for folder, folders, names in os.walk(self.data / under):
            if ".lakehouse" in folders:
                folders.remove(".lakehouse")
            found += [os.path.relpath(os.path.join(folder, name), self.data) for name in names]
        return sorted(found)

    def journal(self):
        """Records of the journal; it merges its files at any time, so they may vanish and be there twice."""
        while True:
            try:
                texts = [(self.data / name).read_text() for name in self.files("journal")]
            except FileNotFoundError:
                continue
            return sorted({line for text in texts for line in text.splitlines() if not line.startswith('{"lh_batch"')})

    def listing(self):
        """Every file of the data folder but what may be deleted, with size and time: for "nothing changed"."""
        rows = {"journal": self.journal()}
        for name in self.files():
            if not name.startswith("journal/"):
                stat = (self.data / name).stat()
                rows[name] = (stat.st_size, stat.st_mtime_ns)
        staging = self.data / ".lakehouse" / "staging"
        rows["staging"] = sorted(p.name for p in staging.iterdir()) if staging.is_dir() else []
        return rows

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        elif self.running():
            self.process.kill()
            self.process.wait()


def kill_rest(server):
    """After a test failed: its server must not outlive it."""
    if server.process is not None and server.process.poll() is None:
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
