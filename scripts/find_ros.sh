#!/usr/bin/env bash
# Print the prefix of the ROS 2 installation to use: a sourced one, /opt/ros/jazzy, or .ros/jazzy (the one
# that scripts/provide_ros.sh unpacks where the machine has none). Python 3.12 is what all of them must run on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

own="$PWD/.ros/jazzy"

# AMENT_PREFIX_PATH lists overlays first; the installation itself is the one that holds rclpy.
IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH:-}"
for prefix in "${prefixes[@]}" /opt/ros/jazzy; do
    [[ $prefix == "$own" ]] && continue
    if [[ -f $prefix/setup.bash && -d $prefix/lib/python3.12/site-packages/rclpy ]]; then
        echo "$prefix"
        exit 0
    fi
done
# An environment made by scripts/env.sh (of any clone) counts as none.
if [[ -n ${ROS_DISTRO:-} && ${AMENT_PREFIX_PATH:-} != */.ros/jazzy* ]]; then
    echo "ROS 2 $ROS_DISTRO is sourced, but it has no rclpy for Python 3.12: this stack needs Jazzy." >&2
    echo "Use a shell without it and run the command again; a Jazzy is then provided in .ros/." >&2
    exit 1
fi
echo "$own"
