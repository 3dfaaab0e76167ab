#!/bin/sh
# Makes .venv from requirements.lock (every file checked against its hash), then adds this tree to it.
set -eu
cd "$(dirname "$0")/.."

wanted=$(cat requirements.lock contracts/pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml ops/pyproject.toml simulator/pyproject.toml ops/setup.sh | cksum)
if [ -x .venv/bin/python ] && [ "$(cat .venv/comeback-setup 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
# A Python that was compiled with its own profile is clearly faster. Distributions compile it so, version managers only if
# they are told (decision 0072). So the first that is fast; where none is, the first.
fits='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
is_fast='import sys, sysconfig; sys.exit(not (sys.base_prefix == "/usr" or "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))))'
python=${PYTHON:-}
if [ -x .venv/bin/python ]; then
    python=.venv/bin/python
fi
for wish in "$is_fast" ""; do
    for candidate in python3.13 python3.12 python3.11 python3 /usr/bin/python3; do
        if [ -z "$python" ] && "$candidate" -c "$fits" 2>/dev/null && "$candidate" -c "$wish" 2>/dev/null; then
            python=$candidate
        fi
    done
done
if [ -z "$python" ]; then
    echo "Comeback needs Python 3.11, 3.12 or 3.13 with its module venv, and found none. Install one (on Debian and Ubuntu the package python3-venv brings the module), or name it: make setup PYTHON=/path/to/python3" >&2
    exit 1
fi
echo "Setting up .venv with $("$python" --version), $("$python" -c 'import sys; print(sys.executable)') (the first time downloads everything it needs) ..."
if [ ! -x .venv/bin/python ] && ! "$python" -m venv .venv; then
    echo "Python could not make a virtual environment. On Debian and Ubuntu the package python3-venv brings what is missing." >&2
    rm -rf .venv
    exit 1
fi
# pip brings uv, and uv the rest in a quarter of pip's time. It knows nothing of pip's own settings: where those are needed
# to reach the packages, pip brings them all.
hashed="install --quiet --disable-pip-version-check --require-hashes --requirement"
sed -n '/^uv==/,/[^\\]$/p' requirements.lock >.venv/uv.lock
.venv/bin/python -m pip $hashed .venv/uv.lock
if ! .venv/bin/uv pip install --quiet --python .venv --compile-bytecode --require-hashes --requirement requirements.lock; then
    echo "uv could not install everything; trying again with pip ..."
    .venv/bin/python -m pip $hashed requirements.lock
fi
# Two steps, in this order: a hash-checked install refuses any -e line.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
    -e contracts -e libs/chassis -e services/auth -e services/billing -e services/fleet -e services/ocpp-bridge \
    -e services/restart-orchestrator -e services/portal -e ops -e simulator
.venv/bin/python -m pip check
printf '%s' "$wanted" >.venv/comeback-setup
