#!/bin/sh
# Builds and installs kpmo, then sets it up. Run it again to upgrade.
set -eu

usage() {
    cat <<'EOF'
Usage: install/install.sh [--no-up] [UP-ARGS...]

Builds kpmo and kpmo-hook, installs both to $KPMO_PREFIX/bin (by default
~/.local/bin), manual pages and completions of bash, zsh and fish to
$KPMO_PREFIX/share (by default $XDG_DATA_HOME or ~/.local/share), and runs `kpmo up UP-ARGS...`, which asks before it does anything
unless it is told where to look for repositories.

  --no-up   only install
  --help    this text; for what UP-ARGS can be, see `kpmo up --help`

For instance: install/install.sh              search your home directory, ask first
              install/install.sh ~/src        search there, do not ask
              install/install.sh --dry-run    install, then only show what `kpmo up` would do
EOF
}

fail() {
    echo "install.sh: $*" >&2
    exit 2
}

up=yes
for arg; do
    shift
    case $arg in
    --no-up) up=no ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) set -- "$@" "$arg" ;;
    esac
done
[ "$up" = yes ] || [ $# -eq 0 ] || fail "$1 is for \`kpmo up\`, which --no-up leaves out"
if [ "$up" = yes ] && [ $# -eq 0 ] && ! [ -t 0 ]; then
    # Better told before the build than after.
    fail "without a terminal nobody can be asked; name a directory to search, or --yes, --dry-run or --no-up"
fi

# Relative roots mean the caller's directory, to which `kpmo up` returns.
called_from=$PWD
source=$(cd "$(dirname "$0")/.." && pwd)
prefix=${KPMO_PREFIX:-${HOME:?is not set; set it or KPMO_PREFIX}/.local}
case $prefix in
/*) ;;
*) prefix=$called_from/$prefix ;;
esac
bin=$prefix/bin
share=$prefix/share
[ -n "${KPMO_PREFIX-}" ] || share=${XDG_DATA_HOME:-$share}

if ! command -v cargo >/dev/null && [ -x "${HOME-}/.cargo/bin/cargo" ]; then
    PATH=$HOME/.cargo/bin:$PATH
    export PATH
fi
command -v cargo >/dev/null || fail "cargo is not there; get Rust from https://rustup.rs, then try again"
command -v cc >/dev/null ||
    fail "cc is not there; install a C compiler (Debian: apt install gcc libc6-dev; macOS: xcode-select --install)"

cd "$source"
hook=$(install/build-hook.sh)
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
cargo build --release --locked --bin kpmo --message-format=json-render-diagnostics >"$messages"
kpmo=$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$messages" | tail -n 1)
rm "$messages"
trap - EXIT

# place PROGRAM: at once, so that nobody ever runs half of it.
place() {
    name=$(basename "$1")
    cp "$1" "$bin/.$name.$$"
    chmod 755 "$bin/.$name.$$"
    mv -f "$bin/.$name.$$" "$bin/$name"
}
mkdir -p "$bin"
place "$hook"
place "$kpmo"
echo "installed $bin/kpmo and $bin/kpmo-hook ($("$bin/kpmo" --version))"

# complete SHELL FILE: the script for a shell, where that looks for it.
complete() {
    mkdir -p "$(dirname "$2")"
    "$bin/kpmo" completions "$1" >"$2.$$"
    mv -f "$2.$$" "$2"
}
"$bin/kpmo" man "$share/man/man1"
complete bash "$share/bash-completion/completions/kpmo"
complete zsh "$share/zsh/site-functions/_kpmo"
complete fish "$share/fish/vendor_completions.d/kpmo.fish"
echo "completions are in $share; zsh wants fpath+=($share/zsh/site-functions) before compinit"

case :$PATH: in
*:"$bin":*) ;;
*) echo "note: $bin is not on your PATH; add it in your shell's profile: export PATH=\"$bin:\$PATH\"" ;;
esac

[ "$up" = yes ] || exit 0
cd "$called_from"
exec "$bin/kpmo" up "$@"
