"""Parameters of ``web_viewer_node``."""

from __future__ import annotations

from dataclasses import dataclass

from tracegen_ros.instruction import TOPIC as INSTRUCTION_TOPIC
from tracegen_ros.parameters import parameter


@dataclass(frozen=True)
class WebViewerParameters:
    """Where the page is, what it listens to, and how much it may cost."""

    host: str = parameter(
        "127.0.0.1", "Address to listen on; any other than this machine's own needs a token"
    )
    port: int = parameter(8080, "TCP port of the page; 0 takes a free one", minimum=0, maximum=65535)
    token_file: str = parameter("", "File with the token that visitors need; empty = none")
    allowed_hosts: str = parameter(
        "", "Names, separated by commas, that the page is opened under through a reverse proxy; needs a token"
    )
    urdf: str = parameter("", "Robot description; empty takes ik_controller's fr3.urdf")
    meshes: bool = parameter(True, "Draw the robot with the meshes of franky_sim where those are installed")
    base_frame: str = parameter("fr3_link0", "Frame of the robot's base, in which everything is drawn")
    colour_topic: str = parameter("/camera/camera/color/image_raw", "Colour images")
    camera_info_topic: str = parameter("/camera/camera/color/camera_info", "Intrinsics of the colour images")
    depth_topic: str = parameter("/camera/camera/aligned_depth_to_color/image_raw", "Aligned depth images")
    traces_topic: str = parameter("/tracegen/traces", "Traces")
    joint_states_topic: str = parameter("/joint_states", "Joint states")
    instruction_topic: str = parameter(INSTRUCTION_TOPIC, "Where instructions are published and heard")
    follower: str = parameter(
        "/trace_follower", "Node whose state is shown and whose services the buttons call"
    )
    rate_hz: float = parameter(10.0, "How often the robot's pose is drawn [Hz]", minimum=1.0, maximum=30.0)
    image_rate_hz: float = parameter(
        5.0, "How often image and traces are drawn [Hz]", minimum=0.2, maximum=30.0
    )
    cloud_rate_hz: float = parameter(2.0, "How often the cloud is drawn [Hz]", minimum=0.1, maximum=15.0)
    image_width: int = parameter(
        480, "Most pixels of an image's width that are sent [px]", minimum=80, maximum=1920
    )
    cloud_points: int = parameter(20_000, "Most points of the cloud", minimum=100, maximum=500_000)
    cloud_radius: float = parameter(
        1.5, "Points farther from the robot's axis are left out [m]", minimum=0.1, maximum=10.0
    )
    least_travel: float = parameter(
        0.02,
        "A trace that stays within this distance of its start [m] is not drawn",
        minimum=0.0,
        maximum=1.0,
    )
    leading_fraction: float = parameter(
        0.6,
        "Traces that get this fraction of the farthest one's way [-] are emphasised",
        minimum=0.0,
        maximum=1.0,
    )
    most_traces: int = parameter(200, "Most traces that are drawn", minimum=1, maximum=10_000)
    stale_after_s: float = parameter(
        2.0, "What is older is shown as stale [s of wall time]", minimum=0.1, maximum=60.0
    )
    history_s: float = parameter(60.0, "How far the time slider goes back [s]", minimum=1.0, maximum=600.0)
    niceness: int = parameter(
        10, "Priority that the node gives way with: 0 none, 19 most", minimum=0, maximum=19
    )
