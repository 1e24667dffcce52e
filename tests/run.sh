#!/bin/sh
# Installs what the tests need (in .venv, unless a virtual environment is active; Chromium, Tesseract and fonts by apt-get
# where they are missing) and runs all checks. TORCH_INDEX names the package index that torch comes from, where the default
# one brings CUDA.
set -eu
cd "$(dirname "$0")/.."

if [ -z "${VIRTUAL_ENV:-}" ]; then
    [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
    VIRTUAL_ENV="$PWD/.venv"
fi
PATH="$VIRTUAL_ENV/bin:$PATH"
export PATH VIRTUAL_ENV

python -m pip install --quiet --disable-pip-version-check ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch==2.13.0"
python -m pip install --quiet --disable-pip-version-check --editable '.[test]'

if ! command -v chromium >/dev/null || ! command -v tesseract >/dev/null; then
    if [ "$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi
    $as_root apt-get update
    $as_root apt-get install --yes --no-install-recommends chromium tesseract-ocr tesseract-ocr-chi-sim \
        fonts-dejavu-core fonts-noto-cjk
fi

export OMP_WAIT_POLICY=PASSIVE
python -m ruff check
python -m ruff format --check
python -m mypy
python -m pytest -q "$@"
