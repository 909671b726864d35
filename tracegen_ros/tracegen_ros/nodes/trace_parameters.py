"""Parameters of ``trace_node``."""

from __future__ import annotations

from dataclasses import dataclass

from tracegen_model.network.integrators import METHODS
from tracegen_model.runtime.consensus import Consensus
from tracegen_model.runtime.engines import BEST_ENGINE, BEST_PRECISION, ENGINES
from tracegen_ros.parameters import parameter

CAMERA = "/camera/camera"

OWN_METHOD = "auto"

PRECISIONS = sorted({precision for kind in ENGINES.values() for precision in kind.precisions})


@dataclass(frozen=True)
class TraceParameters:
    """What ``trace_node`` can be told; the defaults fit a RealSense as ``realsense2_camera`` 4.x publishes it."""

    model: str = parameter("fr3_blocks_nano", "Checkpoint: the name of a shipped one, or a folder")
    engine: str = parameter(
        BEST_ENGINE,
        "What runs the network; auto takes the best that works, and the next one when it breaks",
        choices=(BEST_ENGINE, *ENGINES),
    )
    precision: str = parameter(
        BEST_PRECISION,
        "Arithmetic of the network; auto takes the fastest that the engine passes the accuracy gates with",
        choices=(BEST_PRECISION, *PRECISIONS),
    )
    method: str = parameter(
        OWN_METHOD, "Sampling method; auto takes the checkpoint's own", choices=(OWN_METHOD, *METHODS)
    )
    steps: int = parameter(
        0, "Sampler steps [-]; 0 takes the checkpoint's own number", minimum=0, maximum=100
    )
    samples: int = parameter(
        1, "Samples drawn for each frame from one condition, with their spread [-]", minimum=1, maximum=64
    )
    consensus: str = parameter(
        Consensus.MEDOID.value,
        "How several samples become one",
        choices=tuple(consensus.value for consensus in Consensus),
    )
    warm_start: float = parameter(
        0.0,
        "Flow time that sampling starts from with the previous traces moved on [-]; 0 = always from noise",
        minimum=0.0,
        maximum=0.99,
    )
    threads: int = parameter(1, "CPU threads of the inference engine [-]", minimum=1, maximum=64)
    seed: int = parameter(
        0, "Seed of the sampler's noise; the same seed gives the same traces", minimum=0, maximum=2**31
    )
    max_rate_hz: float = parameter(
        0.0,
        "Most inferences per second of wall time [Hz]; 0 = as many as the machine can",
        minimum=0.0,
        maximum=100.0,
    )
    colour_topic: str = parameter(f"{CAMERA}/color/image_raw", "Colour images (rgb8 or bgr8)")
    depth_topic: str = parameter(
        f"{CAMERA}/aligned_depth_to_color/image_raw",
        "Depth images aligned to colour (16UC1 [mm] or 32FC1 [m])",
    )
    camera_info_topic: str = parameter(f"{CAMERA}/color/camera_info", "Intrinsics of the colour camera")
    instruction_topic: str = parameter("/task_instruction", "Sentence that says what to do; empty = stop")
    traces_topic: str = parameter("/tracegen/traces", "Where the traces are published")
    frame_timeout_s: float = parameter(
        0.5, "An image older than this [s, node clock] is not used", minimum=0.05, maximum=10.0
    )
    deadline_s: float = parameter(
        1.0,
        "Traces whose image is older than this when they are ready [s, node clock] are not published",
        minimum=0.05,
        maximum=60.0,
    )
    inference_timeout_s: float = parameter(
        5.0,
        "An inference that runs for longer than this [s, wall time] is reported as: inference hangs",
        minimum=0.1,
        maximum=600.0,
    )
    camera_timeout_s: float = parameter(
        2.0, "No image for this long [s, wall time] is reported as: no camera", minimum=0.1, maximum=60.0
    )
    sync_tolerance_s: float = parameter(
        0.01, "How far the stamps of colour and depth may be apart [s]", minimum=0.0, maximum=0.1
    )
    diagnostics_rate_hz: float = parameter(
        1.0, "How often health is published [Hz of wall time]", minimum=0.1, maximum=50.0
    )
