"""``trace_node``: camera images and an instruction in, 3D traces out.

Lifecycle: *configure* loads the model and warms it up, *activate* subscribes and predicts. Inference runs in a thread
of its own on the newest frame; the executor only moves messages, and watches the inference.
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
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.integrators import SamplerError
from tracegen_model.runtime import CheckpointError, InstructionError, ObservationError, TracePrediction
from tracegen_model.runtime.consensus import Consensus
from tracegen_model.runtime.engines import EngineError
from tracegen_model.runtime.predictor import PredictorStatus
from tracegen_ros.frame_pairing import FramePair
from tracegen_ros.heartbeat import Heartbeat
from tracegen_ros.inference_loop import InferenceLoop
from tracegen_ros.instruction import InstructionTextError, clean_instruction
from tracegen_ros.instruction_subscription import subscribe_to_instructions
from tracegen_ros.latency import LatencyWindow, RateWindow
from tracegen_ros.library_log import LibraryLog
from tracegen_ros.managed_node import ManagedNode
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
from tracegen_ros.nodes.trace_parameters import OWN_METHOD, TraceParameters
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
    ENGINE_BROKE = "engine broke"
    INFERENCE_HANGS = "inference hangs"
    DEADLINE_MISSED = "deadline missed"
    INTERNAL = "internal error"


class Predictor(Protocol):
    """What the node needs of ``tracegen_model.runtime.TracePredictor``."""

    def predict(
        self,
        colour: NDArray[np.uint8],
        depth: NDArray[np.float32],
        intrinsics: CameraIntrinsics,
        instruction: str,
        *,
        stamp_s: float,
    ) -> TracePrediction:
        """Traces of the grid points of ``colour`` (H, W, 3) and ``depth`` (H, W) [m] under ``instruction``."""

    def warm_up(self) -> None:
        """Predict once."""

    def close(self) -> None:
        """Let go of what the network runs on."""

    @property
    def status(self) -> PredictorStatus:
        """What predicts at the moment; from any thread."""


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
        CheckpointError: The checkpoint is missing, corrupt or of another format; no engine runs it.
        EngineError: The engine that was asked for broke while it was loaded.
        SamplerError: The sampling method does not take these steps.
    """
    from tracegen_model.runtime import TracePredictor

    return TracePredictor(
        parameters.model,
        threads=parameters.threads,
        steps=parameters.steps or None,
        seed=parameters.seed,
        engine=parameters.engine,
        precision=parameters.precision,
        method=None if parameters.method == OWN_METHOD else parameters.method,
        samples=parameters.samples,
        consensus=Consensus(parameters.consensus),
        warm_start=parameters.warm_start,
    )


class TraceNode(ManagedNode):
    """Predicts traces on the newest frame for as long as there is an instruction.

    Args:
        make_predictor: How the model is loaded at configure.
    """

    def __init__(self, make_predictor: Callable[[TraceParameters], Predictor] = load_predictor) -> None:
        super().__init__(NAME)
        self._settings = declare_parameters(self, TraceParameters)
        self._make_predictor = make_predictor
        self._latency = LatencyWindow()
        self._rate = RateWindow()
        self._fault: tuple[Fault, str] | None = None
        self._last_error = ""
        self._arrivals: dict[str, float] = {}
        self._staleness_s: float | None = None
        self._traces_published = 0
        self._deadline_misses = 0
        self._last_prediction: TracePrediction | None = None
        self._library_log = LibraryLog("tracegen_model", self.get_logger())
        self._loading_since_s: float | None = None
        self._predictor: Predictor | None = None
        self._loop: InferenceLoop[Image, _Prediction] | None = None
        self._subscriptions_in_use: list = []
        self._active = False
        self._load_error = ""
        # They live as long as the node: an executor driven by events trips over a timer destroyed when it is due.
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(
            1.0 / self._settings.diagnostics_rate_hz,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and run it once, so that the first real frame is not the slow one."""
        self._library_log.attach()
        self._load_error = ""
        started_s = self._loading_since_s = time.monotonic()
        try:
            # The executor is in here: while an engine is built, only another thread can say so.
            with Heartbeat(self._publish_diagnostics, 1.0 / self._settings.diagnostics_rate_hz):
                self._predictor = self._make_predictor(self._settings)
                self._predictor.warm_up()
        except (CheckpointError, EngineError, SamplerError) as error:
            self._load_error = f"cannot load the model {self._settings.model!r}: {error}"
            self.get_logger().fatal(self._load_error)
            self._release_model()
            return TransitionCallbackReturn.FAILURE
        finally:
            self._loading_since_s = None
        status = self._predictor.status
        for name, reason in status.engine.refused.items():
            self.get_logger().info(f"engine {name} does not run here: {reason}")
        self.get_logger().info(
            f"model {status.model} {status.digest} ready after {time.monotonic() - started_s:.2f} s: "
            f"{status.engine.running}, {status.sampling}"
        )
        self._traces = self.create_publisher(PointCloud2, self._settings.traces_topic, LATEST)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe, and predict from now on."""
        if self._loop is not None and not self._loop.ended:
            self.get_logger().error(
                f"an inference has been running for {self._loop.busy_s:.1f} s and does not end; "
                "clean up and configure, to load the model again"
            )
            return TransitionCallbackReturn.FAILURE
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
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop predicting; the model stays loaded."""
        self._release_inputs()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model."""
        self.destroy_publisher(self._traces)
        self._release_model()
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
        if self._loop is not None and not self._loop.ended:
            self._loop.stop()
        self._active = False

    def _release_model(self) -> None:
        self._library_log.detach()
        # An inference that hangs keeps its engine; whatever comes next has one of its own.
        if self._predictor is not None and (self._loop is None or self._loop.ended):
            self._predictor.close()
        self._predictor = None
        self._loop = None

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
            prediction = self._predictor.predict(
                colour, depth, intrinsics, instruction, stamp_s=seconds_from(pair.stamp_ns)
            )
        except EncodingError as error:
            self._report(Fault.WRONG_ENCODING, str(error))
        except ImageSizeError as error:
            self._report(Fault.SIZE_MISMATCH, str(error))
        except ObservationError as error:
            self._report(Fault.BAD_OBSERVATION, str(error))
        except InstructionError as error:
            self._report(Fault.BAD_INSTRUCTION, str(error))
        except EngineError as error:
            self._report(Fault.ENGINE_BROKE, str(error))
        except Exception as error:
            self._report(Fault.INTERNAL, f"{type(error).__name__}: {error}")
        else:
            header = encode_header(pair.stamp_ns, pair.colour.header.frame_id)
            return _Prediction(
                header, prediction, started_s, decoded_s - started_s, time.monotonic() - decoded_s
            )
        return None

    def _deliver(self, result: _Prediction) -> None:
        self._last_prediction = result.prediction
        age_s = seconds_from(self.get_clock().now().nanoseconds - decode_stamp(result.header.stamp))
        if age_s > self._settings.deadline_s:
            self._deadline_misses += 1
            self._report(
                Fault.DEADLINE_MISSED,
                f"traces were ready {age_s:.2f} s after their image, {self._settings.deadline_s:g} s is the limit",
            )
            return
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

    def _watch_inference(self, busy_s: float) -> None:
        """Name an inference that does not end; what it is named for is over when it ends."""
        if busy_s > self._settings.inference_timeout_s:
            self._report(Fault.INFERENCE_HANGS, f"an inference has been running for {busy_s:.1f} s")
        elif self._fault is not None and self._fault[0] is Fault.INFERENCE_HANGS:
            self._fault = None

    def _health(self, status: PredictorStatus | None) -> tuple[Level, str]:
        loading_since_s = self._loading_since_s
        if loading_since_s is not None:
            return Level.WARN, self._loading(time.monotonic() - loading_since_s)
        if self._predictor is None:
            return (Level.ERROR, self._load_error) if self._load_error else (Level.OK, "not configured")
        if self._loop is None or not self._active:
            return Level.OK, "inactive"
        busy_s = self._loop.busy_s
        if status is not None and status.engine.loading:
            return Level.ERROR, f"{Fault.ENGINE_BROKE.value}: {self._loading(busy_s)}"
        self._watch_inference(busy_s)
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

    def _loading(self, since_s: float) -> str:
        last = self._library_log.last
        return f"loading the model for {since_s:.1f} s" + (f": {last}" if last else "")

    def _publish_diagnostics(self) -> None:
        predictor, prediction = self._predictor, self._last_prediction
        status = None if predictor is None else predictor.status
        running = None if status is None else status.engine.running
        level, message = self._health(status)
        values = {
            "model": self._settings.model,
            "weights": None if status is None else status.digest,
            "engine": None if running is None else running.name,
            "engine_device": None if running is None else running.device,
            "engine_detail": None if running is None else running.detail,
            "precision": None if running is None else running.precision,
            "engines_refused": None
            if status is None
            else "; ".join(f"{name}: {reason}" for name, reason in status.engine.refused.items()),
            "sampling": None if status is None else status.sampling,
            "samples": self._settings.samples,
            "endpoint_spread_m": None if prediction is None else prediction.endpoint_spread_m,
            "warm_start": None if prediction is None else prediction.warm_start or "off",
            "instruction": self._loop.instruction if self._loop is not None and self._active else "",
            "rate_hz": self._rate.rate_hz(time.monotonic()),
            "traces": self._traces_published,
            "deadline_misses": self._deadline_misses,
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
