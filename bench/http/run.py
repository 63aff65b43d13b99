#!/usr/bin/env python3
"""What one request costs the server's CPU, against nginx `return 200` with one worker, and what an idle
connection costs.

Rounds alternate between the two servers, so that noise of the machine hits both. CPU is utime + stime of
the serving process from /proc (10 ms ticks: a round of some seconds makes that exact enough), divided by
the requests wrk counted.
Prints JSON lines; the last one is the ratio this bench exists for.
usage: run.py [--rounds N] [--seconds S] [--connections N]
needs: nginx, wrk (packages/bench.txt); LH_BIN_DIR and LH_BENCH_DIR say where the programs are."""
import argparse
import json
import os
import pathlib
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from result import BENCH_DIR, BIN_DIR, emit  # noqa: E402

BODY = '{"status":"ok"}'
NGINX_CONF = """
worker_processes 1; daemon off; pid %(dir)s/nginx.pid; error_log %(dir)s/error.log; worker_rlimit_nofile 30000;
events { worker_connections 20480; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path %(dir)s/b; proxy_temp_path %(dir)s/p; fastcgi_temp_path %(dir)s/f;
  uwsgi_temp_path %(dir)s/u; scgi_temp_path %(dir)s/s;
  server { listen 127.0.0.1:%(port)d; location / { default_type application/json; return 200 '%(body)s'; } } }
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"bench: {process.args[0]} ended at once with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"bench: nobody listens on {port}")


def start_ours(folder):
    """The product when it is built, else the smallest server on the same code."""
    ready = pathlib.Path(folder) / "ready"
    product = pathlib.Path(BIN_DIR) / "lakehouse"
    small = pathlib.Path(BENCH_DIR) / "_http_hello"
    if product.exists() and "LH_BENCH_SMALL" not in os.environ:
        data = pathlib.Path(folder) / "data"
        env = {**os.environ, "LAKEHOUSE_SERVER_ACCESS_LOG": "false"}
        command = [str(product.resolve()), "serve", "--data", str(data), "--listen", "127.0.0.1:0",
                   "--ready-file", str(ready)]
        process = subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.DEVNULL)
    else:
        process = subprocess.Popen([str(small), str(ready)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not ready.exists() or not ready.read_text().strip():
        if process.poll() is not None or time.monotonic() > until:
            sys.exit("bench: our server does not start")
        time.sleep(0.02)
    text = ready.read_text()
    address = json.loads(text)["http"] if text.startswith("{") else text
    return process, process.pid, int(address.rsplit(":", 1)[1])


def start_nginx(folder):
    port = free_port()
    conf = pathlib.Path(folder) / "nginx.conf"
    conf.write_text(NGINX_CONF % {"dir": folder, "port": port, "body": BODY})
    process = subprocess.Popen(["nginx", "-c", str(conf), "-p", folder, "-e", f"{folder}/error.log"])
    wait_for(port, process)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return process, int(children[0]), port


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


def one_round(pid, port, path, seconds, connections):
    before = cpu_seconds(pid)
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}{path}"],
                         capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit("bench: wrk met errors:\n" + out)
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return {"cpu_us": used * 1e6 / requests, "rps": requests / seconds, "p99_us": float(p99) * UNITS[unit]}


def compare(ours, nginx, path, args):
    rounds = {"ours": [], "nginx": []}
    for _ in range(args.rounds):
        rounds["ours"].append(one_round(ours[1], ours[2], path, args.seconds, args.clients))
        rounds["nginx"].append(one_round(nginx[1], nginx[2], "/", args.seconds, args.clients))
    middle = {who: {key: statistics.median(r[key] for r in rows) for key in rows[0]} for who, rows in rounds.items()}
    # The ratio of each pair, so that a slow minute of the machine cancels out.
    ratio = statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(rounds["ours"], rounds["nginx"]))
    for key, unit in (("rps", "requests/s"), ("p99_us", "us")):
        emit(f"http_hello_{key}", round(middle["ours"][key], 1), unit, args.rounds, peer="nginx", path=path,
            peer_value=round(middle["nginx"][key], 1), ratio=round(middle["ours"][key] / middle["nginx"][key], 3))
    return middle, ratio


def idle_connections(pid, port, path, count):
    """RSS per connection that was served once and now waits."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    held = []
    base = rss_bytes(pid)
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(request)
        held.append(s)
    for s in held:
        if b"200" not in s.recv(4096):
            sys.exit("bench: a connection was not served")
    per = (rss_bytes(pid) - base) / count
    for s in held:
        s.close()
    return per


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--connections", type=int, default=10000)
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(args.connections, hard - 200 if hard != resource.RLIM_INFINITY else args.connections)
    with tempfile.TemporaryDirectory() as folder:
        ours, nginx = start_ours(folder), start_nginx(folder)
        try:
            idle = idle_connections(ours[1], ours[2], "/health", count)
            emit("http_idle_connection_rss", round(idle, 1), "bytes", count, peer="limit", peer_value=2048,
                ratio=round(idle / 2048, 3))
            middle, ratio = compare(ours, nginx, "/health", args)
            emit("http_hello_cpu", round(middle["ours"]["cpu_us"], 3), "us/request", args.rounds, peer="nginx",
                peer_value=round(middle["nginx"]["cpu_us"], 3), ratio=round(ratio, 3))
        finally:
            for process in (ours[0], nginx[0]):
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


if __name__ == "__main__":
    main()
