#!/bin/sh
# Makes .venv from pyproject.toml under packaging/lock.txt, and sees to the system packages that Qt and
# the tests need. Needs only Python 3.11 and git. A second call with nothing changed does nothing.
#   PYTHON=...            another interpreter than python3
#   PLIMSOLL_NO_APT=1     never call apt-get; only say what is missing
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
stamp=.venv/.plimsoll-setup

say() { printf '%s\n' "$*" >&2; }

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    found=$("$python" --version 2>/dev/null) || found='not there'
    say "Plimsoll needs Python 3.11 or newer; '$python' is $found."
    say "Install it and call again, or name another interpreter: make setup PYTHON=python3.12"
    exit 1
fi

# What the environment is made from: when this text is unchanged, so is the environment.
recipe() {
    pwd
    "$python" --version
    cat pyproject.toml packaging/lock.txt packaging/setup.sh packaging/bytecode.py packaging/system_check.py
}
want=$(recipe | cksum)
if [ -x .venv/bin/plimsoll ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
    exit 0
fi
rm -f "$stamp"

# System packages: needed ones stop the set-up, the others are named.
packages_of() { "$python" packaging/system_check.py | while read -r level package; do
    case " $* " in *" $level "*) printf '%s ' "$package" ;; esac
done; }
may_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1
}
all=$(packages_of needed window tests)
if [ -n "$all" ] && [ -z "${PLIMSOLL_NO_APT:-}" ] && command -v apt-get >/dev/null && may_be_root; then
    say "Installing system packages: $all"
    # shellcheck disable=SC2086
    apt_install $all || { as_root apt-get update >/dev/null 2>&1 && apt_install $all; } ||
        say "apt-get could not install them."
fi
needed=$(packages_of needed)
wanted=$(packages_of window tests)
if [ -n "$needed" ]; then
    say "Qt does not load without these system packages. Install them and call again:"
    say "    sudo apt-get install --no-install-recommends $needed$wanted"
    exit 1
fi
if [ -n "$wanted" ]; then
    say "Missing, but not needed to go on (an X11 window, or some tests): $wanted"
    say "    sudo apt-get install --no-install-recommends $wanted"
fi

# A .venv of another interpreter or from a moved checkout is made anew.
version='import sys; print(*sys.version_info[:2])'
if [ "$(.venv/bin/python -c "$version" 2>/dev/null)" != "$("$python" -c "$version")" ] ||
    ! grep -qF "$PWD/.venv" .venv/bin/activate 2>/dev/null; then
    say "Making .venv"
    if ! "$python" -m venv --clear .venv; then
        say "'$python' cannot make a virtual environment. On Debian: sudo apt-get install python3-venv"
        exit 1
    fi
fi

# All that the lock names goes in as it stands, so that nothing has to be resolved; what a group still lacks (CUDA's own
# packages, with such a torch) follows. Bytecode is made of what is imported: most modules never are.
# The variable holds what builds source packages (setuptools) to the lock as well.
say "Installing Plimsoll and what it needs (some minutes the first time)"
export PIP_CONSTRAINT="$PWD/packaging/lock.txt"
install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-compile "$@"
}
# Two at a time, each half of the lock: unpacking is most of the work, and no package of one half writes into the other's.
halves=$(mktemp -d)
trap 'rm -rf "$halves"' EXIT
for half in 0 1; do
    grep -v '^#' packaging/lock.txt | awk -v half=$half 'NR % 2 == half' >"$halves/$half"
done
install --no-deps -r "$halves/0" &
first=$!
fits=yes
install --no-deps -r "$halves/1" || fits=no
wait "$first" || fits=no
[ "$fits" = yes ] || say "The lock does not fit this machine as a whole; resolving package by package"
install --no-build-isolation -e '.[serving,train,scale,demo,dev]' || install -e '.[serving,train,scale,demo,dev]'
env -u PYTHONDONTWRITEBYTECODE QT_QPA_PLATFORM=offscreen .venv/bin/python packaging/bytecode.py ||
    say "Not every module could be imported; the first start of some will take longer"
printf '%s' "$want" >"$stamp"
say "Ready: .venv/bin/plimsoll"
