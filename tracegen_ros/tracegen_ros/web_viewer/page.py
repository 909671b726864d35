"""The page: what the browser shows, and what a person does there. Everybody who looks sees the same page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import viser
import viser.transforms
import viser.uplot
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.web_viewer.drawing import (
    NO_LINES,
    NO_POINTS,
    DrawnTraces,
    Lines,
    Points,
    path_lines,
    trace_heads,
    trace_lines,
)
from tracegen_ros.web_viewer.earlier_instructions import INSTRUCTIONS_KEPT
from tracegen_ros.web_viewer.guarded_server import GuardedServer
from tracegen_ros.web_viewer.health import (
    FAULT,
    Input,
    RecentHealth,
    inputs_html,
    moment_html,
    state_html,
    state_word,
    states_html,
)
from tracegen_ros.web_viewer.robot_surfaces import Surface

FloatArray = NDArray[np.float64]

_SIDE_WIDTH_PX = 360
_PLOT_HEIGHT_PX = 105
_LINE_WIDTH_PX = 1.5
_LEADING_LINE_WIDTH_PX = 3.5
_HAND_PATH_WIDTH_PX = 6.0
_HEAD_SIZE_M = 0.009
_SRGB_EXPONENT = 2.2
_CLOUD_POINT_M = 0.005
_FRUSTUM_M = 0.12
_HAND_PATH_COLOUR = (255, 255, 255)
_FRUSTUM_COLOUR = (90, 160, 240)
_GRID_COLOUR = (52, 55, 60)
_GRID_SECTION_COLOUR = (74, 78, 85)
_GRID_HEIGHT_M = -0.004
"""Just below the table, which the cloud shows."""

_GRID_FADES_M = 4.0
_TIME_STEP_S = 0.2
_FIRST_VIEW_FROM = (1.3, -0.7, 0.75)
_FIRST_VIEW_AT = (0.42, 0.08, 0.18)
_NOTICE_S = 6.0

_BLUE, _ORANGE, _GREEN = "#2b77d9", "#e08a00", "#2f9e63"


@dataclass(frozen=True)
class Wishes:
    """What a person in front of the page can ask for; called in threads of the server.

    Attributes:
        instruct: With the sentence as typed.
        stop: Come to rest.
        enable: Whether the robot may move.
        recover: A fault was looked at, and the robot may go on.
    """

    instruct: Callable[[str], None]
    stop: Callable[[], None]
    enable: Callable[[bool], None]
    recover: Callable[[], None]


class Page:
    """Fills a viser server.

    Args:
        server: The server, empty.
        surfaces: What each link of the robot looks like.
        wishes: What the buttons do.
        history_s: How far the time slider goes back [s].
        health_s: Length of the plots [s].
    """

    def __init__(
        self,
        server: GuardedServer,
        surfaces: Mapping[str, Sequence[Surface]],
        wishes: Wishes,
        history_s: float,
        health_s: float,
    ) -> None:
        self._server = server
        self._health_s = health_s
        server.gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        self._make_scene(surfaces)
        self._make_controls(wishes)
        self._make_side_panel(history_s)

    # What a person has chosen

    @property
    def ago_s(self) -> float:
        """How far back the time slider is [s]; 0 = now."""
        return max(0.0, -float(self._time.value))

    @property
    def cloud_wanted(self) -> bool:
        """The cloud is to be drawn."""
        return bool(self._show_cloud.value)

    # Drawing

    def clear(self) -> None:
        """Show the present, of which nothing is known yet; what is chosen to be shown and said stays."""
        self._time.value = 0.0
        self._picture.visible = False
        self._frustum.visible = False
        self.draw_cloud(NO_POINTS)
        self.draw_traces(None, np.zeros((0, 3), np.float32))
        self.draw_moment_label("")
        self._states.content = states_html((), self._health_s)
        for plot in (self._latency, self._rate):
            plot.data = _no_data(self._health_s, len(plot.data) - 1)

    def draw_robot(self, poses_in_base: Mapping[str, FloatArray]) -> None:
        """Put every link at its (4, 4) pose."""
        for name, frame in self._links.items():
            pose = poses_in_base[name]
            frame.wxyz = viser.transforms.SO3.from_matrix(pose[:3, :3]).wxyz
            frame.position = pose[:3, 3]

    def draw_camera(
        self,
        rgb: NDArray[np.uint8] | None,
        intrinsics: CameraIntrinsics | None,
        camera_in_base: FloatArray | None,
    ) -> None:
        """Show what the camera sees, and where it stands as far as that is known."""
        if rgb is not None:
            self._picture.image = rgb
            self._picture.visible = True
        if intrinsics is None or camera_in_base is None:
            return
        with self._server.atomic():
            self._frustum.fov = 2.0 * math.atan2(0.5 * intrinsics.height, intrinsics.fy)
            self._frustum.aspect = intrinsics.width / intrinsics.height
            self._frustum.wxyz = viser.transforms.SO3.from_matrix(camera_in_base[:3, :3]).wxyz
            self._frustum.position = camera_in_base[:3, 3]
            self._frustum.visible = bool(self._show_camera.value)
            if rgb is not None and self._show_camera.value:
                self._frustum.image = rgb

    def draw_cloud(self, cloud: Points) -> None:
        """Show what the camera sees in space."""
        with self._server.atomic():
            _set_points(self._cloud, cloud)

    def draw_traces(self, traces: DrawnTraces | None, hand_path_in_base: NDArray[np.float32]) -> None:
        """Show a prediction, as far along the paths as the slider says, and where the hand is to go."""
        until = float(self._progress.value) / 100.0
        shown = traces is not None and bool(self._show_traces.value)
        with self._server.atomic():
            leading = trace_lines(traces, until, leading=True) if shown and traces else NO_LINES
            others = trace_lines(traces, until, leading=False) if shown and traces else NO_LINES
            # At the end of the paths the heads would only hide them.
            heads = trace_heads(traces, until) if shown and traces and until < 1.0 else NO_POINTS
            path = path_lines(hand_path_in_base, _HAND_PATH_COLOUR) if self._show_path.value else NO_LINES
            _set_lines(self._leading, leading)
            _set_lines(self._others, others)
            _set_lines(self._hand_path, path)
            _set_points(self._heads, heads)

    def draw_state(self, text: str, enabled: bool | None, task: str, inputs: Sequence[Input]) -> None:
        """Say what the follower does and whether what it needs is there."""
        self._state.content = state_html(text, enabled, task)
        self._recover.visible = state_word(text) == FAULT
        self._inputs.content = inputs_html(inputs)

    def draw_moment_label(self, text: str) -> None:
        """Say which moment is shown."""
        self._moment.content = moment_html(text)
        self._back.disabled = self.ago_s == 0.0

    def draw_health(self, health: RecentHealth, now_s: float) -> None:
        """Plot latencies and rates, and the strip of states."""
        self._states.content = states_html(health.spells(now_s), self._health_s)
        times, traces, inference, command, rate = health.series(
            now_s, "image_to_traces_ms", "inference_ms", "trace_to_command_ms", "traces_hz"
        )
        if len(times) > 1:
            self._latency.data = (times, traces, inference, command)
            self._rate.data = (times, rate)

    def show_instructions(self, newest_first: Sequence[str]) -> None:
        """Offer earlier instructions again."""
        for index, button in enumerate(self._earlier):
            known = index < len(newest_first)
            button.label = newest_first[index] if known else ""
            button.visible = known

    def notify(self, title: str, text: str, *, bad: bool = False) -> None:
        """Tell everybody who looks."""
        for client in self._server.get_clients().values():
            client.add_notification(
                title, text, color="red" if bad else "green", auto_close_seconds=_NOTICE_S
            )

    # Making

    def _make_scene(self, surfaces: Mapping[str, Sequence[Surface]]) -> None:
        scene = self._server.scene
        scene.set_up_direction("+z")
        self._server.initial_camera.position = _FIRST_VIEW_FROM
        self._server.initial_camera.look_at = _FIRST_VIEW_AT
        scene.configure_default_lights(cast_shadow=False)
        scene.add_grid(
            "/floor",
            4.0,
            4.0,
            cell_size=0.1,
            cell_color=_GRID_COLOUR,
            cell_thickness=0.6,
            section_size=0.5,
            section_color=_GRID_SECTION_COLOUR,
            section_thickness=0.9,
            fade_distance=_GRID_FADES_M,
            position=(0.0, 0.0, _GRID_HEIGHT_M),
        )
        self._links = {}
        for name, parts in surfaces.items():
            self._links[name] = scene.add_frame(f"/robot/{name}", show_axes=False)
            for index, part in enumerate(parts):
                scene.add_mesh_simple(
                    f"/robot/{name}/{index}", part.vertices, part.faces, color=part.colour, cast_shadow=False
                )
        self._frustum = scene.add_camera_frustum(
            "/camera",
            1.0,
            4.0 / 3.0,
            scale=_FRUSTUM_M,
            thickness=2.0,
            thickness_units="screen",
            color=_FRUSTUM_COLOUR,
            format="jpeg",
            visible=False,
        )
        self._cloud = _add_points(scene, "/cloud", _CLOUD_POINT_M, "square")
        self._others = _add_lines(scene, "/traces/others", _LINE_WIDTH_PX)
        self._leading = _add_lines(scene, "/traces/leading", _LEADING_LINE_WIDTH_PX)
        self._hand_path = _add_lines(scene, "/hand_path", _HAND_PATH_WIDTH_PX)
        self._heads = _add_points(scene, "/traces/heads", _HEAD_SIZE_M, "circle")

    def _make_controls(self, wishes: Wishes) -> None:
        gui = self._server.gui
        self._state = gui.add_html(state_html("", None, ""))
        self._inputs = gui.add_html(inputs_html(()))
        stop = gui.add_button("Stop", icon=viser.Icon.HAND_STOP, color="red", hint="Comes to rest, smoothly")
        stop.on_click(lambda _: wishes.stop())
        self._recover = gui.add_button(
            "Recover",
            icon=viser.Icon.REFRESH,
            visible=False,
            hint="Somebody has looked at what led to the fault",
        )
        self._recover.on_click(lambda _: wishes.recover())
        with gui.add_form(None) as form:
            sentence = gui.add_text("Instruction", "", hint="What the robot is to do; Enter sends it")
            send = gui.add_button("Send", icon=viser.Icon.SEND)
        send.on_click(lambda _: form.submit())
        form.on_submit(lambda _: wishes.instruct(str(sentence.value)))
        robot = gui.add_button_group("Robot", ("Enable", "Disable"), hint="Whether the robot may move")
        robot.on_click(lambda event: wishes.enable(event.target.value == "Enable"))
        with gui.add_folder("Earlier instructions"):
            self._earlier = [
                gui.add_button("", visible=False, color="gray") for _ in range(INSTRUCTIONS_KEPT)
            ]
        for button in self._earlier:
            button.on_click(lambda event: setattr(sentence, "value", event.target.label))
        with gui.add_folder("Shown"):
            self._show_traces = gui.add_checkbox("Traces", True)
            self._show_path = gui.add_checkbox("Path of the hand", True)
            self._show_cloud = gui.add_checkbox("Cloud", True)
            self._show_camera = gui.add_checkbox("Camera", True)
        gui.main_panel.dock_right()
        gui.main_panel.set_width(_SIDE_WIDTH_PX)

    def _make_side_panel(self, history_s: float) -> None:
        gui = self._server.gui
        panel = gui.add_panel()
        with panel.add_tab("Camera and time", viser.Icon.CAMERA):
            self._picture = gui.add_image(np.zeros((3, 4, 3), np.uint8), format="jpeg", visible=False)
            self._moment = gui.add_html("")
            self._time = gui.add_slider(
                "Time [s]", -history_s, 0.0, _TIME_STEP_S, 0.0, hint="Look back; 0 is now"
            )
            self._progress = gui.add_slider(
                "Along trace [%]", 0, 100, 1, 100, hint="How far along the predicted paths"
            )
            self._back = gui.add_button("Back to now", icon=viser.Icon.PLAYER_SKIP_FORWARD, disabled=True)
            self._back.on_click(lambda _: setattr(self._time, "value", 0.0))
            self._states = gui.add_html(states_html((), self._health_s))
            self._latency = _add_plot(
                gui,
                "Latency [ms]",
                self._health_s,
                {
                    "image → traces": _BLUE,
                    "inference": _GREEN,
                    "traces → command": _ORANGE,
                },
            )
            self._rate = _add_plot(gui, "Traces per second", self._health_s, {"traces/s": _BLUE})
        panel.dock_left()
        panel.set_width(_SIDE_WIDTH_PX)


def _add_points(
    scene: viser.SceneApi, name: str, size_m: float, shape: Literal["square", "circle"]
) -> viser.PointCloudHandle:
    """A cloud of nothing yet: one point, not shown, because viser's page complains of none."""
    return scene.add_point_cloud(
        name,
        np.zeros((1, 3), np.float32),
        np.zeros((1, 3), np.uint8),
        point_size=size_m,
        point_shape=shape,
        point_shading="flat",
        visible=False,
    )


def _set_points(handle: viser.PointCloudHandle, cloud: Points) -> None:
    handle.visible = len(cloud.points) > 0
    if len(cloud.points) > 0:
        handle.points = cloud.points
        handle.colors = cloud.colours


def _add_lines(scene: viser.SceneApi, name: str, width_px: float) -> viser.LineSegmentsHandle:
    """Lines of nothing yet: one of no length, not shown, because viser's page complains of none."""
    return scene.add_line_segments(
        name,
        np.zeros((1, 2, 3), np.float32),
        np.zeros((1, 2, 3), np.uint8),
        thickness=width_px,
        thickness_units="screen",
        visible=False,
    )


def _set_lines(handle: viser.LineSegmentsHandle, lines: Lines) -> None:
    handle.visible = len(lines.points) > 0
    if len(lines.points) > 0:
        handle.points = lines.points
        handle.colors = _linear(lines.colours)


def _linear(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """sRGB ``colours`` as linear ones, which is what viser's page takes those of lines (but not of points) to be."""
    return np.rint(255.0 * (colours / 255.0) ** _SRGB_EXPONENT).astype(np.uint8)


def _add_plot(
    gui: viser.GuiApi, title: str, length_s: float, colours: Mapping[str, str]
) -> viser.GuiUplotHandle:
    series = (
        viser.uplot.Series(label="s"),
        *(viser.uplot.Series(label=name, stroke=colour, width=2) for name, colour in colours.items()),
    )
    return gui.add_uplot(
        _no_data(length_s, len(colours)),
        series,
        title=title,
        legend=viser.uplot.Legend(live=False),
        padding=(10, 14, 0, 0),
        scales={
            "x": viser.uplot.Scale(time=False, range=(-length_s, 0.0)),
            "y": viser.uplot.Scale(auto=True),
        },
        height=_PLOT_HEIGHT_PX,
    )


def _no_data(length_s: float, curves: int) -> tuple[FloatArray, ...]:
    """A plot's times and ``curves`` flat lines, because viser's page complains of none."""
    return np.array([-length_s, 0.0]), *(np.zeros(2) for _ in range(curves))
