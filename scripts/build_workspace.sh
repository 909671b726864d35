#!/usr/bin/env bash
# Build ros2_ws with colcon; sources are linked, so edited Python files need no new build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/env.sh
mkdir -p .stamps
# One build at a time, whoever else runs make here.
exec {lock}>.stamps/build.lock
flock "$lock"
echo "Building ros2_ws"
cd ros2_ws
# setuptools' notes about `setup.py develop`, which is how colcon links sources, are of no use to the reader.
export PYTHONWARNINGS="ignore::DeprecationWarning,ignore::UserWarning${PYTHONWARNINGS:+,$PYTHONWARNINGS}"
colcon build --symlink-install --event-handlers console_direct- console_stderr- status- desktop_notification- summary+
