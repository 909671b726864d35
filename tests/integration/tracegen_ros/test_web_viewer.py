"""The browser viewer in a real browser: type an instruction, see the traces change, press stop.

The traces come from a real ``trace_node``; the follower is this test. Screenshots are left in ``outputs/web_viewer``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from tests.integration.launch_file import run_launch_file
from tests.integration.tracegen_ros.camera_of_messages import FRAME, Camera
from tf2_msgs.msg import TFMessage

from tracegen_ros.messages import (
    Level,
    encode_diagnostics,
    encode_header,
    encode_joint_state,
    encode_transform,
)
from tracegen_ros.qos import LATCHED

pytest.importorskip("viser", reason="the browser viewer's package viser is not installed")

from tests.integration.tracegen_ros.viewer_visitor import Visitor

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright, which drives the browser, is not installed"
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
pytestmark = pytest.mark.timeout(
    600.0
)  # A browser that renders in software, on a machine that has other work too.
WITH_BROWSER = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed")
SOFTWARE_RENDERING = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
COARSE_PIXELS = "?fixedDpr=0.5"
"""viser's page draws its scene with fewer pixels: a processor is slow at what a graphics card is made for."""

SCREENSHOTS = Path(__file__).parents[3] / "outputs" / "web_viewer"
ARM = tuple(f"fr3_joint{index}" for index in range(1, 8))
READY = (0.0, -0.1289, 0.0, -2.5263, 0.0, 2.3974, 0.785)
CAMERA_IN_BASE = np.array(
    [[0.0, 1.0, 0.0, 0.45], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.8], [0.0, 0.0, 0.0, 1.0]]
)
SCENE = {"x": 370, "y": 100, "width": 340, "height": 490}
"""Where the window shows the 3D scene [px]."""


class Follower:
    """What the page needs of a trace follower."""

    def __init__(self, tester) -> None:
        self.calls: list[str] = []
        self._health = tester.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._joints = tester.node.create_publisher(JointState, "/joint_states", 10)
        self._states = tester.node.create_publisher(String, "/trace_follower/state", LATCHED)
        self._transforms = tester.node.create_publisher(TFMessage, "/tf_static", LATCHED)
        header = encode_header(0, "fr3_link0")
        self._transforms.publish(TFMessage(transforms=[encode_transform(CAMERA_IN_BASE, header, FRAME)]))
        tester.node.create_service(Trigger, "/trace_follower/stop", self._stop)
        tester.node.create_service(SetBool, "/trace_follower/enable", self._enable)
        tester.node.create_timer(0.1, self._speak)
        self.enabled = True
        self.say("FOLLOW: towards a <b>grasp</b>")

    def say(self, text: str) -> None:
        self._states.publish(String(data=text))

    def _stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.calls.append("stop")
        self.enabled = False
        self.say("STOP: stop service")
        response.success, response.message = True, "the arm comes to rest"
        return response

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.calls.append(f"enable {request.data}")
        self.enabled = request.data
        response.success, response.message = True, "as you wish"
        return response

    def _speak(self) -> None:
        header = encode_header(0, "")
        self._joints.publish(encode_joint_state(ARM, READY, np.zeros(7), header))
        values = {"enabled": self.enabled, "trace_to_command_p50_ms": 2.0}
        self._health.publish(encode_diagnostics("trace_follower: motion", Level.OK, "", values, header))


class Window:
    """A browser window on the viewer; the test's node goes on while it is waited for."""

    def __init__(self, tester, page) -> None:
        self._tester = tester
        self.page = page
        self.asked: set[str] = set()
        page.on("request", lambda request: self.asked.add(request.url))

    def wait(self, happened: Callable[[], object], what: str) -> None:
        try:
            self._tester.wait(happened, what)
        except AssertionError:
            self.shoot("failed")
            raise

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def instruct(self, sentence: str) -> None:
        box = self.page.locator("form input").first
        box.fill(sentence)
        box.press("Enter")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def input(self, name: str) -> str:
        return self.page.locator(f"[data-input='{name}']").get_attribute("data-fresh")

    def shoot(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def scene(self) -> np.ndarray:
        """Pixels (H, W, 3) of the 3D scene."""
        data = np.frombuffer(self.page.screenshot(clip=SCENE), np.uint8)
        return cv2.imdecode(data, cv2.IMREAD_COLOR).astype(int)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


@pytest.fixture(scope="module")
def follower(tester) -> Follower:
    return Follower(tester)


@pytest.fixture(scope="module")
def camera(tester, processes) -> Iterator[Camera]:
    slow = ("camera_timeout_s:=10.0", "frame_timeout_s:=10.0", "deadline_s:=10.0")
    settings = [word for setting in slow for word in ("-p", setting)]
    processes.python(Path(__file__).with_name("straight_trace_node.py"), "--ros-args", *settings)
    tester.activate("trace_node")
    camera = Camera(tester)
    yield camera
    camera.close()


@pytest.fixture(scope="module")
def port(processes) -> int:
    port = free_port()
    processes.node(
        "tracegen_ros.nodes.web_viewer_node",
        port=port,
        meshes=False,
        rate_hz=2.0,
        image_rate_hz=2.0,
        cloud_rate_hz=0.5,
        stale_after_s=60.0,
        niceness=0,
    )
    return port


@pytest.fixture(scope="module")
def window(tester, follower, camera, port) -> Iterator[Window]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as driver:
        sandbox = () if os.geteuid() else ("--no-sandbox",)  # Chromium has none for root.
        browser = driver.chromium.launch(executable_path=BROWSER, args=[*SOFTWARE_RENDERING, *sandbox])
        page = browser.new_page(viewport={"width": 1080, "height": 600})
        page.set_default_timeout(120_000.0)

        tester.wait(lambda: answers(port), "the viewer")
        window = Window(tester, page)
        page.goto(f"http://127.0.0.1:{port}/{COARSE_PIXELS}")
        page.locator("form input").first.wait_for()
        with camera.running():
            yield window
        browser.close()


def scene_without_camera(window: Window, follower: Follower, port: int) -> np.ndarray:
    """The scene without cloud and frustum: neither, appearing late, is taken for something else."""
    things = {"Cloud": "/cloud", "Camera": "/camera"}
    with Visitor(port) as other:
        for label, thing in things.items():
            window.wait(lambda label=label: other.sees(label), f"the check mark {label}")
            window.wait(lambda thing=thing: other.shown(thing), f"{thing} in the scene")
            other.change(label, False)
            window.wait(lambda thing=thing: not other.shown(thing), f"the end of {thing}")
    # The window hears things in the order in which they happen: what it heard before this is done.
    follower.say("FOLLOW: without a camera to be seen")
    window.wait(lambda: "without a camera" in window.text("[data-follower-state]"), "the latest state")
    scenes = [window.scene()]

    def at_rest() -> bool:
        scenes.append(window.scene())
        return np.array_equal(scenes[-1], scenes[-2])

    window.wait(at_rest, "a scene at rest")
    return scenes[-1]


@WITH_BROWSER
def test_what_is_live_is_shown_and_names_cannot_become_markup(window: Window) -> None:
    for name in ("camera", "depth", "robot", "follower"):
        window.wait(lambda name=name: window.input(name) == "true", f"{name} to be live")
    window.wait(lambda: "FOLLOW" in window.text("[data-follower-state]"), "the state")
    assert "towards a <b>grasp</b>" in window.text("[data-follower-state]")
    window.shoot("1_opened")


@WITH_BROWSER
def test_the_page_brings_all_it_needs_and_asks_no_other_machine(window: Window) -> None:
    hosts = {urlsplit(url).hostname for url in window.asked if url.startswith(("http", "ws"))}
    assert hosts == {"127.0.0.1"}


@WITH_BROWSER
def test_an_instruction_typed_in_the_browser_changes_the_traces_in_the_scene(
    window: Window, tester, camera: Camera, follower: Follower, port: int
) -> None:
    heard = tester.hear(String, "/task_instruction", LATCHED)
    empty = scene_without_camera(window, follower, port)

    def differs(*others: np.ndarray) -> bool:
        now = window.scene()
        return all((np.abs(now - other).max(axis=2) > 40).mean() > 0.002 for other in others)

    window.instruct("go right")
    window.wait(lambda: any(message.data == "go right" for message in heard), "the instruction on its topic")
    window.wait(lambda: camera.traces, "traces")
    window.wait(lambda: window.input("traces") == "true", "traces to be live")
    window.wait(lambda: differs(empty), "traces in the scene")
    window.shoot("2_go_right")
    right = window.scene()
    window.instruct("go left")
    window.wait(lambda: len(heard) > 1, "the second instruction on its topic")
    window.wait(lambda: differs(empty, right), "other traces in the scene")
    window.shoot("3_go_left")
    assert [message.data for message in heard] == ["go right", "go left"]
    window.wait(
        lambda: window.page.get_by_role("button", name="go right", exact=True).is_visible(),
        "the first instruction among the earlier ones",
    )


@WITH_BROWSER
def test_the_time_slider_shows_the_past_and_the_button_the_present(window: Window) -> None:
    window.wait(lambda: window.text("[data-moment]") == "now", "the present")
    slider = window.page.get_by_role("slider").first
    slider.focus()
    for _ in range(5):
        slider.press("ArrowLeft")
    window.wait(lambda: "1.0 s ago: FOLLOW" in window.text("[data-moment]"), "a moment of the past")
    window.shoot("4_looking_back")
    window.press("Back to now")
    window.wait(lambda: window.text("[data-moment]") == "now", "the present")


@WITH_BROWSER
def test_the_buttons_call_the_follower_s_services(window: Window, follower: Follower) -> None:
    window.press("Stop")
    window.wait(lambda: follower.calls == ["stop"], "a call of the stop service")
    window.wait(lambda: "may not move" in window.text("[data-follower-state]"), "the stop to show")
    window.wait(lambda: window.page.get_by_text("the arm comes to rest").count(), "the service's answer")
    window.shoot("5_stopped")
    window.press("Enable")
    window.wait(lambda: follower.calls == ["stop", "enable True"], "a call of the enable service")
    window.press("Disable")
    window.wait(lambda: follower.calls[2:] == ["enable False"], "another call of the enable service")


@WITH_BROWSER
def test_nothing_is_subscribed_once_nobody_looks(window: Window, tester) -> None:
    topic = "/camera/camera/color/image_raw"

    def viewers() -> list[str]:
        return [
            info.node_name
            for info in tester.node.get_subscriptions_info_by_topic(topic)
            if info.node_name == "web_viewer_eyes"
        ]

    window.wait(viewers, "the viewer's subscription")
    window.page.goto("about:blank")
    tester.wait(lambda: not viewers(), "the end of the viewer's subscription")


def refusal(*parameters: str) -> str:
    """What the node says when it ends with exit code 2 instead of serving a page."""
    code = "from tracegen_ros.nodes.web_viewer_node import main; main()"
    settings = [word for parameter in parameters for word in ("-p", parameter)]
    ended = subprocess.run(
        [sys.executable, "-c", code, "--ros-args", "-p", "meshes:=false", *settings],
        capture_output=True,
        text=True,
        timeout=120.0,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    return ended.stderr


def test_what_cannot_be_served_safely_or_at_all_is_refused_with_a_reason() -> None:
    assert "which other machines reach, it needs a token" in refusal("host:=0.0.0.0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot open port" in refusal(f"port:={taken.getsockname()[1]}")
    assert "cannot read the robot description /nowhere.urdf" in refusal("urdf:=/nowhere.urdf")


def test_the_launch_file_says_what_is_missing_where_viser_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['viser'] = None")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    code, output = run_launch_file("fr3_demo.launch.py", "viz:=web")
    assert code != 0
    assert "viz:=web needs the Python package viser; pip install viser" in output
