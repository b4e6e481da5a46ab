#!/usr/bin/env bash
# Runs every test, and first sets up what they need beside a Rust toolchain, a C
# compiler and git: kpmo's peers, in target/test-env, and the hook as users get
# it. What is set up already is not set up again, and then needs no network.
#
# Usage: tests/all.sh [ARGS of `cargo test`...]
#
# KPMO_TEST_GIT may name another git, with which what git does is tested, too: 2.54
# or later, which can run hooks by its configuration. Without it one is built from
# Debian's newest source, on Debian. hk takes part where it is on PATH: to
# compile it takes twenty minutes. Not among the peers: overcommit (RubyGems).
#
# With CI set in the environment a peer that can't be had is a failure; without,
# it is said, and so is each test that is left out for it.
set -euo pipefail

husky=9.1.7

cd "$(dirname "$0")/.."
test_env=$PWD/target/test-env
log=$test_env/setup.log
mkdir -p "$test_env/bin"

missing=()
lacks() {
    echo "tests/all.sh: MISSING: $1" >&2
    missing+=("$1")
}

# Installs a Debian package, where there are such and we may.
debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    {
        apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
    } >>"$log" 2>&1
}

for program in git cc cargo; do
    if ! command -v "$program" >/dev/null; then
        echo "tests/all.sh: $program is not there, and nothing goes without it" >&2
        exit 2
    fi
done

make_venv() {
    python3 -m venv --clear "$test_env/venv" >>"$log" 2>&1
}

set_up_python() {
    command -v python3 >/dev/null || debian python3 python3-venv || true
    if ! make_venv && ! { debian python3-venv && make_venv; }; then
        lacks "a Python with venv (Debian: apt install python3-venv); see $log"
        return
    fi
    if ! "$test_env/venv/bin/pip" install --disable-pip-version-check --requirement tests/requirements.txt \
        >>"$log" 2>&1; then
        lacks "the packages of tests/requirements.txt; see $log"
        return
    fi
    # The programs themselves: lefthook's wheel starts its own by way of Python.
    local lefthook
    lefthook=$(echo "$test_env"/venv/lib/python*/site-packages/lefthook/bin/*/lefthook)
    ln -sf "$lefthook" "$test_env/venv/bin/prek" "$test_env/venv/bin/pre-commit" "$test_env/bin/"
}

set_up_node() {
    if ! command -v npm >/dev/null && ! debian nodejs npm; then
        lacks "npm, and with it husky (Debian: apt install npm)"
    elif ! npm install --prefix "$test_env/node" --no-save --no-audit --no-fund "husky@$husky" >>"$log" 2>&1; then
        lacks "husky; see $log"
    else
        ln -sf "$test_env/node/node_modules/.bin/husky" "$test_env/bin/"
    fi
}

# restic judges the store of snapshots: the version that the system brings.
set_up_restic() {
    command -v restic >/dev/null || debian restic || lacks "restic (Debian: apt install restic); see $log"
}

set_up_lfs() {
    command -v git-lfs >/dev/null || debian git-lfs || lacks "git-lfs (Debian: apt install git-lfs); see $log"
}

is_new_git() {
    [ "$(printf '%s\n' 2.54 "$("$1" version 2>/dev/null | cut -d' ' -f3)" | sort -V | head -n 1)" = 2.54 ]
}

# Where Debian's packages come from here; nothing on what is not Debian.
debian_site() {
    apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 !~ /security/ && !found { print $2; found = 1 }'
}

# apt, for the newest source packages, with lists of its own: what is configured
# on this machine stays as it is, and tells only where its packages come from.
newest_apt() {
    local apt=$test_env/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    if [ ! -f "$apt/sources.list" ]; then
        local site
        site=$(debian_site)
        # It is known only by lists that are there.
        if [ -z "$site" ] && [ "$(id -u)" = 0 ]; then
            apt-get update
            site=$(debian_site)
        fi
        [ -n "$site" ] || return 1
        echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site sid main" >"$apt/sources.list"
    fi
    apt-get -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root "$@"
}

# Only what the tests need of it.
build_git() {
    local source=$test_env/git-source
    mkdir -p "$source"
    newest_apt update || return 1
    (cd "$source" && newest_apt source --download-only git && tar -xf git_*.orig.tar.xz --strip-components=1) ||
        return 1
    make -C "$source" -j"$(nproc)" prefix="$test_env/git" CFLAGS=-O1 INSTALL_SYMLINKS=1 NO_CURL=1 NO_EXPAT=1 \
        NO_GETTEXT=1 NO_OPENSSL=1 NO_PERL=1 NO_PYTHON=1 NO_RUST=1 NO_TCLTK=1 all install
}

set_up_git() {
    if [ -n "${KPMO_TEST_GIT-}" ]; then
        is_new_git "$KPMO_TEST_GIT" || lacks "a git 2.54 or later: KPMO_TEST_GIT names none"
        return
    fi
    if is_new_git git || is_new_git "$test_env/git/bin/git"; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        lacks "a git 2.54 or later (on PATH, or named by KPMO_TEST_GIT)"
        return
    fi
    if ! { [ -f /usr/include/zlib.h ] && command -v make && command -v xz; } >/dev/null; then
        debian make xz-utils zlib1g-dev || true
    fi
    if ! build_git >>"$log" 2>&1 || ! is_new_git "$test_env/git/bin/git"; then
        lacks "a git 2.54 or later, which could not be built (KPMO_TEST_GIT may name one); see $log"
    fi
    rm -rf "$test_env/git-source" "$test_env/apt"
}

# A virtual environment is tied to its directory and its Python.
stamp=$({ echo "$PWD" "$husky"; python3 --version 2>&1; cat tests/requirements.txt; } | cksum)
if [ "$(cat "$test_env/stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "tests/all.sh: setting up $test_env" >&2
    rm -rf "${test_env:?}"
    mkdir -p "$test_env/bin"
    set_up_python
    set_up_node
    set_up_restic
    [ ${#missing[@]} -gt 0 ] || echo "$stamp" >"$test_env/stamp"
fi

# Set up apart: where it can't be had, all else need not be set up again.
set_up_git
set_up_lfs

KPMO_TEST_HOOK=$(install/build-hook.sh)
case $(uname -s):$KPMO_TEST_HOOK in
Linux:*-musl/*) ;;
Linux:*) lacks "the musl target, for which kpmo-hook should be built (rustup target add $(uname -m)-unknown-linux-musl)" ;;
esac

if [ ${#missing[@]} -gt 0 ] && [ -n "${CI-}" ]; then
    echo "tests/all.sh: CI is set, and this is missing: ${missing[*]}" >&2
    exit 1
fi

export KPMO_TEST_HOOK KPMO_TEST_BIN="$test_env/bin"
if [ -z "${KPMO_TEST_GIT-}" ] && [ -x "$test_env/git/bin/git" ]; then
    export KPMO_TEST_GIT=$test_env/git/bin/git
elif [ -z "${KPMO_TEST_GIT-}" ] && is_new_git git; then
    KPMO_TEST_GIT=$(command -v git)
    export KPMO_TEST_GIT
fi
if [ -x "$test_env/venv/bin/python" ]; then
    export KPMO_TEST_PYTHON="$test_env/venv/bin/python"
fi
# Most of the time a test waits for a disk or another process.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}
cargo test --locked "$@"

if [ ${#missing[@]} -gt 0 ]; then
    printf 'tests/all.sh: passed WITHOUT: %s\n' "${missing[@]}" >&2
fi
