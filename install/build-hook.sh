#!/bin/sh
# Builds kpmo-hook the fastest way that this machine offers, and prints the path
# of what it built. git starts that program at every commit: a static one for
# musl starts in a fraction of the time that a dynamic one takes.
set -eu

usage() {
    cat <<'EOF'
Usage: install/build-hook.sh [--dynamic]

Builds kpmo-hook for musl if that target is installed or rustup can add it, else
with a static glibc, else as it comes. Prints the path of the program.

  --dynamic   as it comes
EOF
}

wanted=best
case ${1-} in
'') ;;
--dynamic) wanted=dynamic ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

cd "$(dirname "$0")/.."
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT

# build [ARGS of cargo rustc…] [-- ARGS of rustc…]
# Sets `program`, and fails if what was built does not run.
build() {
    cargo rustc --locked --profile hook --no-default-features --bin kpmo-hook \
        --message-format=json-render-diagnostics "$@" >"$messages" || return 1
    program=$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$messages" | tail -n 1)
    [ -n "$program" ] && "$program" --version >/dev/null
}

has_target() {
    [ -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)" ]
}

host=$(rustc -vV | sed -n 's/^host: //p')
musl=
case $host in
x86_64-*-linux-*) musl=x86_64-unknown-linux-musl ;;
aarch64-*-linux-*) musl=aarch64-unknown-linux-musl ;;
esac

if [ "$wanted" = best ] && [ -n "$musl" ]; then
    if ! has_target "$musl" && command -v rustup >/dev/null; then
        rustup target add "$musl" >/dev/null 2>&1 || true
    fi
    # Without relocations to do at its start it takes a tenth less.
    if has_target "$musl" && build --target "$musl" -- -C relocation-model=static; then
        echo "$program"
        exit
    fi
    echo "build-hook.sh: no target $musl; kpmo-hook is built with a static glibc" >&2
    if build -- -C target-feature=+crt-static; then
        echo "$program"
        exit
    fi
    echo "build-hook.sh: no static glibc either; kpmo-hook is built as it comes" >&2
fi
build
echo "$program"
