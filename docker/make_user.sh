#!/usr/bin/env bash
# Make the user that everything runs as, and the folder it owns. To be run as root. Usage: docker/make_user.sh USER_ID
set -euo pipefail
id="${1:?the number of the user}"
[[ $id =~ ^[1-9][0-9]*$ ]] || {
    echo "the user must have a number above 0, got '$id': nothing here runs as root" >&2
    exit 2
}

# Ubuntu's images come with a user who has the number that most people's own users have.
if taken="$(getent passwd "$id" | cut -d: -f1)" && [[ -n $taken ]]; then
    userdel --remove "$taken"
fi
useradd --create-home --shell /bin/bash --uid "$id" --user-group tracegen
# USB cameras: librealsense's udev rules give them to plugdev, the kernel gives video devices to video.
for group in plugdev video; do
    getent group "$group" >/dev/null || groupadd --system "$group"
    usermod --append --groups "$group" tracegen
done
install --directory --owner=tracegen --group=tracegen /tracegen /calibration /home/tracegen/.cache
