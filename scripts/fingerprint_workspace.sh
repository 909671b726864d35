#!/usr/bin/env bash
# Print a fingerprint of what `colcon build --symlink-install` would read: names of
# data files, and contents of build files. Python files are linked by folder and need no new build.
# Usage: scripts/fingerprint_workspace.sh PACKAGE_FOLDER...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
{
    pwd
    scripts/find_ros.sh
    find -L "$@" launch urdf \( -name __pycache__ -o -name '*.egg-info' -o -name build \) -prune \
        -o -type f ! -path '*/nodes/*' \( ! -name '*.py' -o -name '*.launch.py' \) -print 2>/dev/null | sort
    find "$@" -maxdepth 1 \( -name package.xml -o -name 'setup.*' \) -exec cat {} + 2>/dev/null
} | sha256sum || true
