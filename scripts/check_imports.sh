#!/usr/bin/env bash
# Check with import-linter that imports point down only; the arrows are in pyproject.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The sources themselves, whatever is built or installed.
PYTHONPATH="tracegen_model:ik_controller:tracegen_ros:ros2_ws/src/fr3_driver:ros2_ws/src/fr3_sim:ros2_ws/src/realsense_camera${PYTHONPATH:+:$PYTHONPATH}" lint-imports --no-cache
