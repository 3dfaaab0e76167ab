#!/bin/sh
# Makes .venv from requirements.lock (every file checked against its hash), then adds this tree to it.
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3.13 python3.12 python3.11 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "Comeback needs Python 3.11, 3.12 or 3.13, and none of them was found. Install one, or name it: make setup PYTHON=/path/to/python3" >&2
    exit 1
fi

wanted=$(cat requirements.lock contracts/pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml ops/pyproject.toml simulator/pyproject.toml ops/setup.sh | cksum)
if [ -x .venv/bin/python ] && [ "$(cat .venv/comeback-setup 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
echo "Setting up .venv with $("$python" --version) (the first time downloads everything it needs) ..."
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
