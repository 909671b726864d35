#!/usr/bin/env bash
# Install ROS 2 Jazzy as it was on one day, and what the stack needs beside it, on Ubuntu 24.04. To be run as root.
# Usage: docker/install_system.sh YYYY-MM-DD
#
# Days that exist are listed at http://snapshots.ros.org/jazzy/. With --list it prints the packages and does nothing.
set -euo pipefail

# The key of snapshots.ros.org, which is not that of packages.ros.org (ROS 2 documentation, "Snapshot repository").
readonly KEY=4B63CF8FDE49746E98FA01DDAD19BAB3CBF125EA
readonly KEYRING=/usr/share/keyrings/ros2-snapshots-archive-keyring.gpg

# What fetching and checking the key takes.
fetching=(ca-certificates dirmngr gnupg)
# What scripts/check_system_packages.sh asks for, a compiler-free Python with venv to install uv with, make and git.
system=(git libegl1 libgl1-mesa-dri libgomp1 libusb-1.0-0 make python3-venv tzdata)
# cv_bridge, tf2 and robot_state_publisher are what the nodes use where ROS provides them.
ros=(
    ros-jazzy-control-msgs ros-jazzy-cv-bridge ros-jazzy-diagnostic-updater ros-jazzy-robot-state-publisher
    ros-jazzy-ros-base ros-jazzy-rosbag2 ros-jazzy-tf2-ros-py ros-jazzy-trajectory-msgs ros-jazzy-vision-msgs
    ros-jazzy-xacro
)

if [[ ${1:-} == --list ]]; then
    printf '%s\n' "${fetching[@]}" "${system[@]}" "${ros[@]}"
    exit 0
fi
day="${1:?the day of the ROS snapshot, such as 2026-09-11}"
[[ $day =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || {
    echo "the day of the ROS snapshot must be like 2026-09-11, got '$day'" >&2
    exit 2
}

export DEBIAN_FRONTEND=noninteractive
install=(apt-get install --yes --quiet=2 --no-install-recommends)
apt-get update --quiet=2
"${install[@]}" "${fetching[@]}"

GNUPGHOME="$(mktemp -d)"
export GNUPGHOME
gpg --batch --keyserver hkps://keyserver.ubuntu.com --recv-keys "$KEY"
gpg --batch --export "$KEY" >"$KEYRING"
gpgconf --kill all
rm -r "$GNUPGHOME"
echo "deb [signed-by=$KEYRING] http://snapshots.ros.org/jazzy/$day/ubuntu noble main" \
    >/etc/apt/sources.list.d/ros2-snapshot.list

apt-get update --quiet=2
"${install[@]}" "${system[@]}" "${ros[@]}"
rm -r /var/lib/apt/lists/*
