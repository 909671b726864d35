#!/usr/bin/env bash
# Install a Python package of this repository into .venv, linked to its sources. Usage: scripts/install_sources.sh FOLDER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Its dependencies are in the lock files, the build tool among them.
"$(scripts/find_uv.sh)" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e "${1:?a folder}"
