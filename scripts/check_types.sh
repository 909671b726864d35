#!/usr/bin/env bash
# Check the types of the ROS-free code with mypy; which files, says pyproject.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mypy "$@"
