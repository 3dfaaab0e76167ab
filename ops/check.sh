#!/bin/sh
# The checks that take less than a minute together; stops at the first that fails.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
step() { echo "== $*"; }

step format;        $bin/ruff format --check --quiet .
step lint;          $bin/ruff check --quiet .
step types;         $bin/mypy --num-workers 2
step imports;       $bin/lint-imports --config pyproject.toml --no-logo >/dev/null || $bin/lint-imports --config pyproject.toml
step contracts;     $bin/python -m contracts check
step "unit tests";  $bin/python -m pytest tests/unit tests/contracts -q -n 2 --dist loadfile --no-loadscope-reorder
