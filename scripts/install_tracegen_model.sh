#!/usr/bin/env bash
# Install the package tracegen_model into .venv, linked to its sources.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
"$(scripts/find_uv.sh)" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e tracegen_model
