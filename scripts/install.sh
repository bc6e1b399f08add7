#!/bin/sh
# install.sh PYTHON VENV EXTRAS: make the environment from the lock. Fails in one clear line.
set -u
python=$1 venv=$2 extras=$3
fail() { echo "bakeoff: $*" >&2; exit 1; }

command -v "$python" >/dev/null 2>&1 || fail "no $python here; install Python 3.11 or newer, or run: make PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$("$python" -V) is too old; Python 3.11 or newer is needed (make PYTHON=/path/to/python)"
if [ ! -x "$venv/bin/pip" ]; then
    free=$(df -Pk . | awk 'NR==2 {print int($4/1024)}')
    [ "$free" -ge 3500 ] || fail "only $free MB free here; the environment and models need 3,500 MB: free some space and try again"
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "$python cannot make a virtual environment; on Debian: apt-get install python3-venv"
fi

log="$venv/install.log"
step() {
    "$venv/bin/pip" install --quiet --progress-bar off --constraint requirements.lock "$@" >"$log" 2>&1 && return 0
    if grep -qiE 'no space left' "$log"; then fail "the disk is full; free some space and run the same command again"; fi
    if grep -qiE 'connection|resolve|timed out|network|Max retries' "$log"; then fail "the package index cannot be reached; check the network (details: $log) and run the same command again"; fi
    fail "pip could not install $*; see $log"
}

if [ ! -e "$venv/installed" ]; then
    echo "Installing into $venv (about 1.9 GB, once) ..."
    # torch first and pinned: a later package must not pull a different build in.
    step "torch==$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements.lock)"
fi
step --editable ".[$extras]"
