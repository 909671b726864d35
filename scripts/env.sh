# The environment of this repository: Python, ROS 2 and the built workspace. To be sourced by bash:
#
#     source scripts/env.sh
#
# Every make target and every test uses it; `make shell` opens a shell that has it. After it, `python`, `ros2`,
# `colcon` and `pytest` are this repository's, and `ros2 launch tracegen_ros fr3_demo.launch.py` works.
#
# It reads   ROS_DISTRO, AMENT_PREFIX_PATH   a ROS 2 that is sourced already is kept (see scripts/find_ros.sh)
#            ROS_DOMAIN_ID                   kept; tests take one of their own (scripts/with_own_domain.sh)
# It sets    VIRTUAL_ENV, PATH               .venv
#            ROS_*, AMENT_PREFIX_PATH, PYTHONPATH, LD_LIBRARY_PATH, and the overlay ros2_ws/install
#            ROS_AUTOMATIC_DISCOVERY_RANGE   LOCALHOST unless set: nodes talk on this machine only
#            FASTRTPS_DEFAULT_PROFILES_FILE  launch/dds/fast_dds.xml unless set: shared memory that images fit into
#            MUJOCO_GL, PYOPENGL_PLATFORM    egl unless set: rendering without a display

_tracegen_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# Put $2 in front of the colon-separated list named $1, once.
_tracegen_prepend() {
    local rest=":${!1:-}:"
    rest="${rest//":$2:"/:}"
    rest="${rest#:}"
    rest="${rest%:}"
    export "$1=$2${rest:+:$rest}"
}

if [[ ! -x $_tracegen_root/.venv/bin/python ]]; then
    echo "scripts/env.sh: there is no .venv yet; run 'make setup' first" >&2
    return 1
fi

# setup.bash files of ROS 2 and colcon read unset variables.
_tracegen_shell_options="$(set +o)"
set +u

export VIRTUAL_ENV="$_tracegen_root/.venv"
if _tracegen_ros="$("$_tracegen_root/scripts/find_ros.sh")"; then
    if [[ $_tracegen_ros == "$_tracegen_root/.ros/jazzy" ]]; then
        export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3
        _tracegen_prepend AMENT_PREFIX_PATH "$_tracegen_ros"
        _tracegen_prepend PYTHONPATH "$_tracegen_ros/rclpy"
        _tracegen_prepend LD_LIBRARY_PATH "$_tracegen_ros/lib"
    elif [[ ":${AMENT_PREFIX_PATH:-}:" != *":$_tracegen_ros:"* ]]; then
        source "$_tracegen_ros/setup.bash"
    fi
fi
if [[ -f $_tracegen_root/ros2_ws/install/local_setup.bash ]]; then
    source "$_tracegen_root/ros2_ws/install/local_setup.bash"
fi
_tracegen_prepend PATH "$VIRTUAL_ENV/bin"

export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$_tracegen_root/launch/dds/fast_dds.xml}"
export MUJOCO_GL="${MUJOCO_GL:-egl}"
export PYOPENGL_PLATFORM="${PYOPENGL_PLATFORM:-egl}"

eval "$_tracegen_shell_options"
unset -f _tracegen_prepend
unset _tracegen_root _tracegen_ros _tracegen_shell_options
