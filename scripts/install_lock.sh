#!/usr/bin/env bash
# Install a hashed lock file into .venv. Usage: scripts/install_lock.sh LOCK_FILE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "Installing ${1:?a lock file}"
"$(scripts/find_uv.sh)" pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r "$1"
