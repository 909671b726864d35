"""``trace_node``: camera images and an instruction in, 3D traces out.

Lifecycle: *configure* loads the model and warms it up, *activate* subscribes and predicts. Inference runs in a thread
of its own on the newest frame; the executor only moves messages.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.runtime import CheckpointError, InstructionError, ObservationError, TracePrediction
from tracegen_ros.frame_pairing import FramePair
from tracegen_ros.inference_loop import InferenceLoop
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.latency import LatencyWindow, RateWindow
from tracegen_ros.messages import (
    CameraInfoError,
    EncodingError,
    ImageSizeError,
    Level,
    check_same_size,
    decode_colour,
    decode_depth,
    decode_intrinsics,
    decode_stamp,
    encode_diagnostics,
    encode_header,
    encode_trace_grid,
    nanoseconds_from,
    seconds_from,
)
from tracegen_ros.nodes.trace_parameters import TraceParameters
from tracegen_ros.parameters import declare_parameters
from tracegen_ros.qos import LATEST, SENSOR
from tracegen_ros.spinning import run_node

NAME = "trace_node"
DIAGNOSTIC_NAME = "trace_node: inference"
NETWORK_STAGES = ("condition", "sample")
"""Stages of the predictor that the network itself takes; all else of a frame's time is overhead."""


class Fault(Enum):
    """Why there are no traces; the name stands first in the diagnostic message."""

    NO_CAMERA = "no camera"
    BAD_CAMERA_INFO = "bad camera info"
    WRONG_ENCODING = "wrong encoding"
    SIZE_MISMATCH = "size mismatch"
    NO_DEPTH = "no depth"
    OLD_FRAME = "old frame"
    BAD_OBSERVATION = "bad observation"
    BAD_INSTRUCTION = "bad instruction"
    INTERNAL = "internal error"


class Predictor(Protocol):
    """What the node needs of ``tracegen_model.runtime.TracePredictor``."""

    def predict(
        self,
        colour: NDArray[np.uint8],
        depth: NDArray[np.float32],
        intrinsics: CameraIntrinsics,
        instruction: str,
        seed: int | None = None,
    ) -> TracePrediction:
        """Traces of the grid points of ``colour`` (H, W, 3) and ``depth`` (H, W) [m] under ``instruction``."""
        ...


@dataclass(frozen=True)
class _Prediction:
    """A prediction on its way out."""

    header: Header
    prediction: TracePrediction
    started_s: float
    decode_s: float
    predict_s: float


def load_predictor(parameters: TraceParameters) -> Predictor:
    """The predictor that the parameters ask for.

    Raises:
        CheckpointError: The checkpoint is missing, corrupt or of another format.
    """
    from tracegen_model.runtime import TracePredictor

    return TracePredictor(
        parameters.model,
        threads=parameters.threads,
        steps=parameters.steps or None,
        seed=parameters.seed,
        engine=parameters.engine,
    )


class TraceNode(LifecycleNode):
    """Predicts traces on the newest frame for as long as there is an instruction.

    Args:
        make_predictor: How the model is loaded at configure.
    """

    def __init__(self, make_predictor: Callable[[TraceParameters], Predictor] = load_predictor) -> None:
        super().__init__(NAME)
        self._settings = declare_parameters(self, TraceParameters)
        self._make_predictor = make_predictor
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._latency = LatencyWindow()
        self._rate = RateWindow()
        self._fault: tuple[Fault, str] | None = None
        self._last_error = ""
        self._arrivals: dict[str, float] = {}
        self._staleness_s: float | None = None
        self._traces_published = 0
        self._predictor: Predictor | None = None
        self._loop: InferenceLoop[Image, _Prediction] | None = None
        self._subscriptions_in_use: list = []

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and run it once, so that the first real frame is not the slow one."""
        started_s = time.monotonic()
        try:
            self._predictor = self._make_predictor(self._settings)
            self._warm_up(self._predictor)
        except CheckpointError as error:
            self.get_logger().fatal(f"cannot load the model {self._settings.model!r}: {error}")
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(
            f"model {self._settings.model} ready after {time.monotonic() - started_s:.2f} s"
        )
        self._traces = self.create_publisher(PointCloud2, self._settings.traces_topic, LATEST)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._diagnostic_timer = self.create_timer(
            1.0 / self._settings.diagnostics_rate_hz, self._publish_diagnostics, clock=self._steady_clock
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe, and predict from now on."""
        parameters = self._settings
        self._arrivals = {"activation": time.monotonic()}
        self._fault = None
        self._loop = InferenceLoop(
            self._infer,
            self._deliver,
            nanoseconds_from(parameters.sync_tolerance_s),
            1.0 / parameters.max_rate_hz if parameters.max_rate_hz > 0.0 else 0.0,
        )
        self._subscriptions_in_use = [
            self.create_subscription(CameraInfo, parameters.camera_info_topic, self._on_camera_info, SENSOR),
            self.create_subscription(Image, parameters.colour_topic, self._on_colour, SENSOR),
            self.create_subscription(Image, parameters.depth_topic, self._on_depth, SENSOR),
            *subscribe_to_instructions(self, parameters.instruction_topic, self._on_instruction),
        ]
        self._loop.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop predicting; the model stays loaded."""
        self._release_inputs()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model."""
        self.destroy_timer(self._diagnostic_timer)
        self.destroy_publisher(self._traces)
        self.destroy_publisher(self._diagnostics)
        self._predictor = None
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop predicting for good."""
        self._release_inputs()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the inference thread before the publishers go."""
        self._release_inputs()
        super().destroy_node()

    def _release_inputs(self) -> None:
        for subscription in self._subscriptions_in_use:
            self.destroy_subscription(subscription)
        self._subscriptions_in_use = []
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    @staticmethod
    def _warm_up(predictor: Predictor) -> None:
        width, height = 640, 480
        intrinsics = CameraIntrinsics(600.0, 600.0, (width - 1) / 2, (height - 1) / 2, width, height)
        colour = np.zeros((height, width, 3), np.uint8)
        predictor.predict(colour, np.ones((height, width), np.float32), intrinsics, "warm up")

    # Inputs (executor thread)

    def _on_camera_info(self, info: CameraInfo) -> None:
        self._arrivals["camera_info"] = time.monotonic()
        if self._loop is None:
            return
        try:
            self._loop.set_intrinsics(decode_intrinsics(info))
        except CameraInfoError as error:
            self._report(Fault.BAD_CAMERA_INFO, str(error))

    def _on_colour(self, image: Image) -> None:
        self._arrivals["colour"] = time.monotonic()
        if self._loop is not None:
            self._loop.add_colour(decode_stamp(image.header.stamp), image)

    def _on_depth(self, image: Image) -> None:
        self._arrivals["depth"] = time.monotonic()
        if self._loop is not None:
            self._loop.add_depth(decode_stamp(image.header.stamp), image)

    def _on_instruction(self, message: String) -> None:
        if self._loop is None:
            return
        try:
            instruction = clean_instruction(message.data)
        except InstructionTextError as error:
            self._loop.set_instruction("")
            self._report(Fault.BAD_INSTRUCTION, str(error))
            return
        self._fault = None
        self._loop.set_instruction(instruction)
        self.get_logger().info(f"instruction: {instruction!r}" if instruction else "instruction: stop")

    # Inference (its own thread)

    def _infer(
        self, pair: FramePair[Image, Image], intrinsics: CameraIntrinsics, instruction: str
    ) -> _Prediction | None:
        started_s = time.monotonic()
        try:
            age_s = seconds_from(self.get_clock().now().nanoseconds - pair.stamp_ns)
            if age_s > self._settings.frame_timeout_s:
                self._report(Fault.OLD_FRAME, f"the newest image is {age_s:.2f} s old")
                return None
            colour, depth = decode_colour(pair.colour), decode_depth(pair.depth)
            check_same_size(colour, depth)
            if colour.shape[:2] != (intrinsics.height, intrinsics.width):
                raise ImageSizeError(
                    f"the colour image is {colour.shape[1]}x{colour.shape[0]} px but its CameraInfo says "
                    f"{intrinsics.width}x{intrinsics.height} px"
                )
            if not depth.any():
                self._report(
                    Fault.NO_DEPTH, "every pixel of the depth image is zero or NaN; is the depth stream on?"
                )
                return None
            decoded_s = time.monotonic()
            assert self._predictor is not None
            prediction = self._predictor.predict(colour, depth, intrinsics, instruction)
        except EncodingError as error:
            self._report(Fault.WRONG_ENCODING, str(error))
        except ImageSizeError as error:
            self._report(Fault.SIZE_MISMATCH, str(error))
        except ObservationError as error:
            self._report(Fault.BAD_OBSERVATION, str(error))
        except InstructionError as error:
            self._report(Fault.BAD_INSTRUCTION, str(error))
        except Exception as error:
            self._report(Fault.INTERNAL, f"{type(error).__name__}: {error}")
        else:
            header = encode_header(pair.stamp_ns, pair.colour.header.frame_id)
            return _Prediction(
                header, prediction, started_s, decoded_s - started_s, time.monotonic() - decoded_s
            )
        return None

    def _deliver(self, result: _Prediction) -> None:
        predicted_s = time.monotonic()
        self._traces.publish(encode_trace_grid(result.prediction.traces, result.header))
        published_s = time.monotonic()
        stages_s = result.prediction.latency_s
        total_s = published_s - result.started_s
        network_s = sum(stages_s.get(stage, 0.0) for stage in NETWORK_STAGES)
        self._latency.add(
            {
                **stages_s,
                "decode": result.decode_s,
                "predict": result.predict_s,
                "publish": published_s - predicted_s,
                "total": total_s,
                "node_overhead": total_s - network_s,
            }
        )
        self._rate.tick(published_s)
        self._staleness_s = seconds_from(
            self.get_clock().now().nanoseconds - decode_stamp(result.header.stamp)
        )
        self._traces_published += 1
        self._fault = None

    # Health

    def _report(self, fault: Fault, detail: str) -> None:
        message = f"{fault.value}: {detail}"
        if self._fault is None or self._fault[0] is not fault:
            self.get_logger().error(message)
        self._fault = (fault, message)
        self._last_error = message

    def _missing_input(self, now_s: float) -> str | None:
        """Which camera topic is silent, None if all speak."""
        timeout_s = self._settings.camera_timeout_s
        topics = {
            "colour": self._settings.colour_topic,
            "depth": self._settings.depth_topic,
            "camera_info": self._settings.camera_info_topic,
        }
        for name, topic in topics.items():
            silent_s = now_s - self._arrivals.get(name, self._arrivals["activation"])
            if silent_s > timeout_s:
                return f"nothing on {topic} for {silent_s:.1f} s"
        return None

    def _health(self) -> tuple[Level, str]:
        if self._loop is None:
            return Level.OK, "inactive"
        missing = self._missing_input(time.monotonic())
        if missing is not None:
            self._report(Fault.NO_CAMERA, missing)
        elif self._fault is not None and self._fault[0] is Fault.NO_CAMERA:
            self._fault = None
        if self._fault is not None:
            return Level.ERROR, self._fault[1]
        if not self._loop.instruction:
            return Level.OK, "waiting for an instruction"
        return Level.OK, "predicting"

    def _publish_diagnostics(self) -> None:
        level, message = self._health()
        values = {
            "model": self._settings.model,
            "engine": self._settings.engine,
            "instruction": "" if self._loop is None else self._loop.instruction,
            "rate_hz": self._rate.rate_hz(time.monotonic()),
            "traces": self._traces_published,
            "frames_dropped": 0 if self._loop is None else self._loop.frames_dropped,
            "staleness_s": self._staleness_s,
            "last_error": self._last_error,
            **self._latency.percentiles_ms(),
        }
        header = encode_header(self.get_clock().now().nanoseconds, "")
        self._diagnostics.publish(encode_diagnostics(DIAGNOSTIC_NAME, level, message, values, header, NAME))


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros trace_node``."""
    sys.exit(run_node(TraceNode))
