"""What the end-to-end, crash and golden tests share: servers that are stopped and listened to, names of their own."""

import pathlib
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support.server import Server, kill_rest  # noqa: E402  (the path above makes it importable)


@pytest.fixture(scope="module")
def server(tmp_path_factory, request):
    """One server for the tests of a file. A file sets SERVER_ENV or SERVER_OPTIONS when it needs other settings."""
    options = dict(getattr(request.module, "SERVER_OPTIONS", {}))
    made = Server(tmp_path_factory.mktemp("server"), env=getattr(request.module, "SERVER_ENV", None), **options)
    yield made
    try:
        made.stop()
    finally:
        kill_rest(made)


@pytest.fixture
def client(server):
    assert server.running(), "the server of this file ended:\n" + server.stderr()[-3000:]
    return server.client()


@pytest.fixture
def make_server(tmp_path):
    """Servers of one test: make_server(env=..., ...). All are stopped and listened to at its end."""
    made = []

    def make(**options):
        folder = options.pop("folder", tmp_path / f"server{len(made)}")
        made.append(Server(folder, auto_start=False, **options))
        return made[-1].start()

    yield make
    try:
        for one in made:
            if one.running():
                one.stop()
            else:
                one.check()
    finally:
        for one in made:
            kill_rest(one)


def pytest_terminal_summary(terminalreporter):
    """What the crash tests promised and kept, in one line."""
    counts = {"crashes": 0, "kills": 0, "acknowledged_rows": 0}
    for report in terminalreporter.getreports("passed"):
        for key, value in getattr(report, "user_properties", ()):
            if report.when == "call" and key in counts:
                counts[key] += value
    failed = [report for report in terminalreporter.getreports("failed") if "tests/fault" in report.nodeid]
    if counts["crashes"] or counts["kills"]:
        terminalreporter.write_line(
            f"crashes at fault points {counts['crashes']}, random kills {counts['kills']}: acknowledged rows "
            f"{counts['acknowledged_rows']}, lost {'0' if not failed else 'SOME: see the failures above'}, fsck clean"
        )


@pytest.fixture
def name():
    """A dataset name nobody else uses, so that tests may share a server in any order."""
    return "t_" + uuid.uuid4().hex[:12]
