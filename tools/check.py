#!/usr/bin/env python3
"""The house rules that a program can check. One small function per rule, each yields (path, line, message).

usage: check.py [--bin build/dev/bin] [--rule NAME] [--write-ratchet]

To add a rule: write a function, decorate it with @rule, give its message the way out. A line that must break a
rule says so beside it: /* check: allow WORD, because ... */ (WORD is the banned word or the rule's name).
"""
import argparse
import functools
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINE_MAX, FILE_MAX, FUNCTION_MAX, PARAMS_MAX = 100, 600, 80, 6
RATCHET = "tools/ratchet.txt"
RULES = []

# A third-party header belongs to one floor; everybody else goes through that floor's own header.
THIRD_PARTY = {
    "curl/": ["src/net"],
    "duckdb.h": ["src/worker/programs"],
    "libstemmer.h": ["src/text"],
    "linux/landlock.h": ["src/os"],
    "linux/seccomp.h": ["src/os"],
    "llhttp.h": ["src/net"],
    "openssl/": ["src/base", "src/net"],
    "seccomp.h": ["src/os"],
    "toml++/": ["src/base"],
    "uv.h": ["src/net"],
    "xxhash.h": ["src/base"],
    "zlib.h": ["src/net", "src/worker/programs"],
    "zstd.h": ["src/worker/programs", "src/search"],
}

# Banned outside base/ and os/, with what to call instead.
BANNED = {
    "lh_alloc / lh_free or an arena": "malloc calloc realloc reallocarray free aligned_alloc posix_memalign alloca "
                                      "strdup strndup asprintf vasprintf",
    "lh_str or lh_buf": "strcpy stpcpy strcat strncpy strncat sprintf vsprintf strtok strtok_r gets",
    "lh_parse_i64 and its family": "atoi atol atoll atof strtol strtoll strtoul strtoull strtof strtod sscanf",
    "lh_assert": "assert",
    "lh_fail and a return": "exit _exit _Exit quick_exit abort",
    "base/clock.h": "localtime localtime_r gmtime gmtime_r mktime ctime asctime time gettimeofday clock_gettime sleep "
                    "usleep nanosleep",
    "os/process.h": "system popen fork vfork execl execlp execv execve execvp execvpe posix_spawn waitpid kill",
    "os/file.h": "fopen fdopen freopen tmpfile mkstemp open openat creat rename renameat renameat2 unlink unlinkat "
                 "mkdir mkdirat rmdir opendir fsync fdatasync ftruncate truncate mmap munmap",
    "os/thread.h": "pthread_create pthread_join pthread_mutex_lock pthread_mutex_unlock pthread_cond_wait "
                   "pthread_cond_timedwait pthread_cond_signal pthread_cond_broadcast",
    "base/log.h": "syslog perror",
    "config keys": "getenv setenv putenv",
    "base's random source": "rand srand random srandom drand48",
}
# Who is the process may end it, and who makes children may fork them.
BANNED_HERE_ALLOWED = {
    "src/worker/programs": "_exit fork waitpid".split(),
    "src/cli": "_exit getenv".split(),
}
BANNED_WITH = {word: instead for instead, words in BANNED.items() for word in words.split()}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_WITH) + r")\s*\(")
ALLOW = re.compile(r"check: allow ([\w/.-]+), \w+")


def rule(function):
    RULES.append(function)
    return function


@functools.cache
def tracked():
    """Files git knows or would add, so that a new file is checked before its first commit."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True,
                         check=True).stdout
    return [path for path in out.splitlines() if os.path.isfile(os.path.join(ROOT, path))]


@functools.cache
def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


@functools.cache
def lines_of(path):
    return text_of(path).split("\n")


TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def blank(match):
    token = match.group(0)
    if token[0] in "\"'":
        return token[0] + token[0]
    return "\n" * token.count("\n")


@functools.cache
def code_of(path):
    """The file's lines without comments and string contents; line numbers stay."""
    return TOKEN.sub(blank, text_of(path)).split("\n")


@functools.cache
def c_files(*folders):
    wanted = tuple(folder + "/" for folder in (folders or ("src", "tests", "bench")))
    return [path for path in tracked() if path.startswith(wanted) and path.endswith((".c", ".h", ".cc"))]


def folder_of(path):
    return os.path.dirname(path)


def module_of(path):
    """src/net/x.c -> net; src/worker/programs/x.c -> programs; None outside src/ and for src/main.c."""
    parts = path.split("/")
    if parts[0] != "src" or len(parts) < 3:
        return None
    return "programs" if parts[1:3] == ["worker", "programs"] else parts[1]


def allowed(path, number, word):
    match = ALLOW.search(lines_of(path)[number - 1])
    return bool(match) and match.group(1) == word


def includes(path):
    for number, line in enumerate(lines_of(path), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1) == "<", match.group(2)


@functools.cache
def layers():
    table = {}
    for line in lines_of("tools/layers.txt"):
        name, colon, deps = line.partition(":")
        if colon and not line.startswith("#"):
            table[name.strip()] = deps.split()
    return table


# ---- structure ----

@rule
def layer_list():
    """A folder may name only folders above its own row: so the list has no circle."""
    seen = set()
    for name, deps in layers().items():
        for dep in deps:
            if dep not in seen:
                yield "tools/layers.txt", 0, f"{name} names {dep}, which has no row above it"
        seen.add(name)
    for path in c_files("src"):
        module = module_of(path)
        if module and module not in layers():
            yield path, 0, f"folder {module} has no row in tools/layers.txt"


@rule
def layer_includes():
    for path in c_files("src"):
        module = module_of(path)
        if module is None:
            continue
        for number, is_system, name in includes(path):
            if is_system:
                continue
            if name == "build_info.h":
                continue
            target = module_of("src/" + name)
            if target is None:
                yield path, number, f'include "{name}" from src/: "module/file.h"'
            elif target != module and target not in layers().get(module, []):
                yield path, number, f"{module} may not include {target} (tools/layers.txt)"


@rule
def include_circles():
    graph = {path: ["src/" + name for _, is_system, name in includes(path) if not is_system]
             for path in c_files("src")}
    state = {}

    def visit(path, trail):
        if state.get(path) == "done" or path not in graph:
            return
        if path in trail:
            yield path, 0, "includes itself: " + " -> ".join(trail[trail.index(path):] + [path])
            return
        for target in graph[path]:
            yield from visit(target, trail + [path])
        state[path] = "done"

    for path in graph:
        yield from visit(path, [])


@rule
def third_party_headers():
    for path in c_files("src"):
        for number, _, name in includes(path):
            for header, homes in THIRD_PARTY.items():
                fits = name.startswith(header) if header.endswith("/") else name == header
                if fits and folder_of(path) not in homes and not allowed(path, number, header):
                    yield path, number, f"<{name}> belongs to {' and '.join(homes)}"


@rule
def private_stays_private():
    """_private.h and lhi_ names are a folder's own; its unit tests may look, and a stand-in for it."""
    for path in c_files("src", "tests"):
        for number, is_system, name in includes(path):
            if is_system or not name.endswith("_private.h"):
                continue
            inner = module_of("src/" + name)
            test_of = path.split("/")[2] if path.startswith("tests/unit/") else None
            if inner not in (module_of(path), test_of) and not path.startswith(("tests/fuzz/", "tests/gated/")):
                yield path, number, f"{name} is private to {os.path.dirname(name)}"
    for path in c_files("src"):
        if path.endswith(".h") and not path.endswith("_private.h"):
            for number, line in enumerate(code_of(path), 1):
                for name in re.findall(r"\blhi_\w+", line):
                    yield path, number, f"{name} in a public header: lhi_ names live in a _private.h"


@rule
def unique_file_names():
    seen = {}
    for path in c_files("src"):
        name = os.path.basename(path)
        if name == "main.c":
            continue
        if name in seen:
            yield path, 0, f"{seen[name]} has the same name; names are what people search for"
        seen[name] = path


@rule
def unique_functions():
    """Two modules that meet in one program may not define the same name."""
    seen = {}
    for path in c_files("src"):
        for name, number, _, _ in functions_of(path) if path.endswith(".c") else ():
            if name.startswith(("lh_", "lhi_")) and "static" not in code_of(path)[number - 1]:
                if name in seen:
                    yield path, number, f"{name} is also defined in {seen[name]}"
                seen[name] = path


@rule
def module_readme():
    folders = {folder_of(path) for path in c_files("src")} - {"src"}
    for folder in sorted(folders):
        if f"{folder}/README.md" not in tracked():
            yield folder, 0, "no README.md: what, why, invariants, file map, how to test, known limits"


# ---- code ----

@rule
def banned_calls():
    for path in c_files("src"):
        if module_of(path) in ("base", "os"):
            continue
        for number, line in enumerate(code_of(path), 1):
            for match in BANNED_CALL.finditer(line):
                word = match.group(1)
                if word not in BANNED_HERE_ALLOWED.get(folder_of(path), []) and not allowed(path, number, word):
                    yield path, number, f"{word}() is banned here; use {BANNED_WITH[word]}"


@rule
def no_line_comments():
    for path in c_files():
        if path.endswith(".cc"):
            continue
        for match in TOKEN.finditer(text_of(path)):
            if match.group(0).startswith("//"):
                number = text_of(path).count("\n", 0, match.start()) + 1
                yield path, number, "// comment; write /* ... */"


@rule
def no_bool_parameters():
    for path in c_files("src"):
        if not path.endswith(".h") or path.endswith("_private.h"):
            continue
        text = "\n".join(code_of(path))
        for match in re.finditer(r"\blh_\w+\(([^(){};]*\bbool\s+\w+\s*[,)])", text):
            number = text.count("\n", 0, match.start()) + 1
            if not allowed(path, number, "bool"):
                yield path, number, "bool parameter in a public header; use a flags enum"


@rule
def header_answers_five_words():
    for path in c_files("src"):
        if not path.endswith(".h") or path.endswith("_private.h"):
            continue
        match = re.match(r"\s*/\*.*?\*/", text_of(path), re.S)
        first = match.group(0) if match else ""
        missing = [word for word in ("Owns", "Threads", "Limits", "Formats", "Why") if f"{word}:" not in first]
        if missing:
            yield path, 1, f"the first comment does not say: {', '.join(missing)}"


@rule
def header_guard():
    for path in c_files("src"):
        if not path.endswith(".h"):
            continue
        inner = path.removeprefix("src/")
        # net/net_private.h may say LH_NET_PRIVATE_H
        names = [re.sub(r"\W", "_", part).upper() for part in (inner, os.path.basename(inner))]
        guards = ["LH_" + name for name in names]
        if not any(f"#ifndef {guard}\n#define {guard}\n" in text_of(path) for guard in guards):
            yield path, 1, f"include guard should be {guards[0]}"


@rule
def source_says_its_verb():
    for path in c_files("src", "bench"):
        if path.endswith(".c") and not text_of(path).startswith("/*"):
            yield path, 1, "open with a comment: what verb this is and why this way"


@rule
def no_pending_work():
    pending = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "TB" + "D"]) + r")\b")
    for path in tracked():
        if path.startswith(("tests/data/", "tests/fuzz/corpus/")) or not path.endswith(
                (".c", ".h", ".cc", ".py", ".sh", ".md", ".cmake", ".txt", ".toml")):
            continue
        for number, line in enumerate(lines_of(path), 1):
            match = pending.search(line)
            if match:
                yield path, number, f"{match.group(1)}: do it, or open an issue"


@rule
def forbidden_words():
    words = [line.strip() for line in lines_of("tools/forbidden_words.txt") if line.strip() and line[0] != "#"]
    pattern = re.compile("|".join(re.escape(word) for word in words), re.I)
    for path in tracked():
        if path == "tools/forbidden_words.txt" or path.startswith(("tests/data/", "tests/fuzz/corpus/")):
            continue
        if not path.endswith((".c", ".h", ".cc", ".py", ".sh", ".md", ".cmake", ".txt", ".toml", ".json", "Makefile")):
            continue
        for number, line in enumerate(lines_of(path), 1):
            match = pattern.search(line)
            if match and not allowed(path, number, "word"):
                yield path, number, f'the word "{match.group(0)}" is on tools/forbidden_words.txt'


# ---- sizes ----

@rule
def line_length():
    for path in tracked():
        limit = {".c": LINE_MAX, ".h": LINE_MAX, ".py": 140, ".sh": 120, ".cmake": 130}.get(os.path.splitext(path)[1])
        if limit is None or path.startswith("tests/fuzz/corpus/"):
            continue
        off = False
        for number, line in enumerate(lines_of(path), 1):
            off = (off or "clang-format off" in line) and "clang-format on" not in line
            if len(line) > limit and not off and "http" not in line:
                yield path, number, f"{len(line)} columns, limit {limit}"


def functions_of(path):
    """(name, first line, lines, parameters) of every function; relies on clang-format's layout."""
    code = code_of(path)
    start = None
    for index, line in enumerate(code):
        if line == "{" and index and code[index - 1].rstrip().endswith(")"):
            start = index
        elif line == "}" and start is not None:
            head = start - 1
            while head > 0 and code[head - 1].strip() and code[head - 1][-1] not in ";}" and code[head - 1][0] != "#":
                head -= 1
            signature = " ".join(code[head:start])
            match = re.search(r"(\w+)\s*\((.*)\)\s*$", signature)
            if match:
                yield match.group(1), head + 1, index - start + 1 + (start - head), parameters(match.group(2))
            start = None


def parameters(text):
    depth, count = 0, 1 if text.strip() not in ("", "void") else 0
    for char in text:
        depth += (char == "(") - (char == ")")
        count += char == "," and depth == 0
    return count


def measured():
    """Everything above a limit: {(kind, path, name): value}."""
    over = {}
    for path in c_files():
        if re.search(r"\bgenerated by\b", text_of(path)[:600], re.I):
            continue
        if path.startswith("tests/unit/"):
            continue
        size = len(lines_of(path)) - 1
        if size > FILE_MAX:
            over["file", path, "-"] = size
        for name, _, length, count in functions_of(path):
            if length > FUNCTION_MAX:
                over["function", path, name] = length
            if count > PARAMS_MAX:
                over["parameters", path, name] = count
    return over


def ratchet():
    rows = {}
    for line in lines_of(RATCHET):
        if line.strip() and not line.startswith("#"):
            kind, path, name, value = line.split()
            rows[kind, path, name] = int(value)
    return rows


@rule
def sizes():
    """Existing offenders may shrink, never grow, and nobody joins them."""
    limits = {"file": FILE_MAX, "function": FUNCTION_MAX, "parameters": PARAMS_MAX}
    known, now = ratchet(), measured()
    for key, value in now.items():
        kind, path, name = key
        limit = max(known.get(key, 0), limits[kind])
        if value > limit:
            yield path, 0, f"{kind} {'' if name == '-' else name + ' '}has {value}, limit {limit}: split it"
    for key, value in known.items():
        if now.get(key, 0) < value:
            yield RATCHET, 0, f"{' '.join(key)} {value} is now {now.get(key, 0)}: run tools/check.py --write-ratchet"


def write_ratchet():
    """Lowers and removes rows; never adds one."""
    known, now = ratchet(), measured()
    head = [line for line in lines_of(RATCHET) if line.startswith("#")]
    rows = [" ".join([*key, str(min(value, now[key]))]) for key, value in sorted(known.items()) if key in now]
    with open(os.path.join(ROOT, RATCHET), "w", encoding="utf-8") as out:
        out.write("\n".join(head + rows) + "\n")


@rule
def clang_format():
    files = c_files()
    if not files:
        return
    half = (len(files) + 1) // 2

    def run(chunk):
        return subprocess.run(["clang-format", "--dry-run", "-Werror", *chunk], cwd=ROOT, text=True,
                              capture_output=True).stderr if chunk else ""

    with ThreadPoolExecutor(2) as pool:
        output = "".join(pool.map(run, [files[:half], files[half:]]))
    seen = set()
    for match in re.finditer(r"^(\S+?):(\d+):\d+: error: ", output, re.M):
        if match.group(1) not in seen:
            seen.add(match.group(1))
            yield match.group(1), int(match.group(2)), "layout: run tools/format.py"


# ---- tables and lists ----

ROW = re.compile(r'^\s*(?:X\(|\{\s*(?:\.\w+\s*=\s*)?)?"?([\w./@+-]+)')


@rule
def kept_sorted():
    for path in tracked():
        if path == "tools/check.py" or not path.endswith((".c", ".h", ".txt", ".py", ".cmake")):
            continue
        if "KEEP SORTED" not in text_of(path):
            continue
        yield from sorted_list(path)


def sorted_list(path):
    previous, active = "", False
    for number, line in enumerate(lines_of(path), 1):
        if "KEEP SORTED" in line:
            previous, active = "", path.endswith(".txt") or bool(re.search(r"(/\*|#) KEEP SORTED", line))
            continue
        if not active:
            continue
        bare = line.strip()
        if path.endswith(".txt"):
            match = ROW.match(line) if bare and bare[0] != "#" else None
        else:
            match = ROW.match(line) if re.match(r'(X\(|\{\s*"|\{\s*\.|")', bare) else None
            if not match and not bare.endswith(("\\", ",")) and previous or bare.startswith("}"):
                active = False
                continue
        if match:
            if match.group(1) < previous:
                yield path, number, f"{match.group(1)} comes before {previous}: the list is kept sorted"
            previous = match.group(1)


@rule
def packages_are_the_documented_ones():
    """A document may only tell people to install what the lists install."""
    listed = set()
    for path in tracked():
        if re.fullmatch(r"packages/\w+\.txt", path) and not path.endswith("pinned.txt"):
            listed |= {line.split("#")[0].split()[0] for line in lines_of(path) if line.split("#")[0].strip()}
    for path in tracked():
        if not path.endswith(".md"):
            continue
        for number, line in enumerate(lines_of(path), 1):
            match = re.search(r"apt(?:-get)? install ((?:[\w.+-]+ ?)+)", line)
            for name in match.group(1).split() if match else []:
                if not name.startswith("-") and name not in listed:
                    yield path, number, f"{name} is in none of packages/*.txt"


@rule
def package_lines_say_why():
    for path in tracked():
        if re.fullmatch(r"packages/(python-)?(build|run|test|bench)\.txt", path):
            for number, line in enumerate(lines_of(path), 1):
                if line.strip() and not re.search(r"# ?\S", line):
                    yield path, number, "say why the package is needed: name  # why"


@rule
def suppressions_say_why():
    for path in (path for path in tracked() if path.endswith(".supp")):
        reason = False  # one covers the lines below it, up to an empty line
        for number, line in enumerate(lines_of(path), 1):
            if line.startswith("#") or not line:
                reason = line.startswith("#")
            elif not reason:
                yield path, number, "a suppression needs a reason on the line above"


def committed_table(name):
    path = f"docs/api/{name}.json"
    if path not in tracked():
        return None
    return json.loads(text_of(path))


def rows_of(table):
    return table if isinstance(table, list) else table.get("items", table.get("rows", []))


@rule
def routes_have_probes():
    """tests/e2e tries every row of the table with bad input; a row left out says why."""
    routes = committed_table("routes")
    if routes is None:
        return
    probes = [path for path in tracked() if re.match(r"tests/e2e/test_.*probe.*\.py$", path)]
    if not any("routes" in text_of(path) for path in probes):
        yield "tests/e2e", 0, "no test_*probe*.py that walks docs/api/routes.json"
    paths = {(row.get("method"), row.get("path")) for row in rows_of(routes)}
    for path in probes:
        for match in re.finditer(r'\("([A-Z]+)",\s*"(/[^"]*)"\):\s*"([^"]*)"', text_of(path)):
            number = text_of(path).count("\n", 0, match.start()) + 1
            if (match.group(1), match.group(2)) not in paths:
                yield path, number, f"excludes {match.group(1)} {match.group(2)}, which is no route"
            elif len(match.group(3)) < 10:
                yield path, number, "an excluded route needs a reason"


def printed(program, *args):
    done = subprocess.run([program, *args], text=True, capture_output=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: exit {done.returncode}: {done.stderr.strip()[:200]}")
    return json.loads(done.stdout)


def declared_tables(program):
    """Every table the binary can print equals its committed copy, so a change of the contract is seen in review."""
    try:
        names = [row["name"] if isinstance(row, dict) else row
                 for row in rows_of(printed(program, "tables", "--json"))]
    except (RuntimeError, ValueError, KeyError) as error:
        yield "docs/api", 0, f"lakehouse tables --json: {error}"
        return
    for name in names:
        try:
            now = printed(program, "tables", name, "--json")
        except (RuntimeError, ValueError) as error:
            yield "docs/api", 0, f"lakehouse tables {name} --json: {error}"
            continue
        if committed_table(name) != now:
            yield f"docs/api/{name}.json", 0, f"differs from the program: run tools/write_tables.sh and review the diff"
    for path in tracked():
        match = re.fullmatch(r"docs/api/(\w+)\.json", path)
        if match and match.group(1) not in names and match.group(1) != "openapi":
            yield path, 0, "no table of this name any more"


@rule
def shell_is_clean():
    scripts = [path for path in tracked() if path.endswith(".sh") or path == ".ci/run"]
    done = subprocess.run(["shellcheck", "-f", "gcc", *scripts], cwd=ROOT, text=True, capture_output=True)
    for match in re.finditer(r"^(\S+?):(\d+):\d+: (.*)$", done.stdout, re.M):
        yield match.group(1), int(match.group(2)), match.group(3)
    for path in scripts:
        if "set -euo pipefail" not in text_of(path):
            yield path, 1, "set -euo pipefail"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default="")
    parser.add_argument("--rule", default="")
    parser.add_argument("--write-ratchet", action="store_true")
    args = parser.parse_args()
    os.chdir(ROOT)
    if args.write_ratchet:
        write_ratchet()
        return
    rules = [function for function in RULES if args.rule in ("", function.__name__)]
    program = os.path.join(args.bin, "lakehouse")
    if args.bin and os.path.exists(program) and "docs/api" in " ".join(tracked()):
        rules.append(functools.wraps(declared_tables)(lambda: declared_tables(program)))
    with ThreadPoolExecutor(2) as pool:
        found = [finding for findings in pool.map(lambda function: [(function.__name__, *row) for row in function()],
                                                  rules) for finding in findings]
    for name, path, number, message in found:
        print(f"{path}:{number}: {message} [{name}]" if number else f"{path}: {message} [{name}]")
    print(f"check: {len(rules)} rules, {len(tracked())} files, {len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
