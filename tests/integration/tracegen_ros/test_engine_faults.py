"""What ``trace_node`` does and says when its engine breaks, hangs or is late, and while it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from tests.integration.tracegen_ros.camera_of_messages import HEALTH, Camera

from tracegen_ros.messages import Level, decode_stamp
from tracegen_ros.nodes.bring_up import BringUpError

SETTINGS = {
    "diagnostics_rate_hz": "20.0",
    "frame_timeout_s": "10.0",
    "inference_timeout_s": "0.3",
}


class FragileNode:
    """The node in a process of its own; ``gate`` lets what waits go on."""

    def __init__(self, tester, processes, gate: Path, **settings: str) -> None:
        self.tester, self.gate = tester, gate
        self.camera: Camera | None = None
        words = [word for name, value in (SETTINGS | settings).items() for word in ("-p", f"{name}:={value}")]
        script = Path(__file__).with_name("fragile_trace_node.py")
        self.process = processes.python(script, str(gate), "--ros-args", *words)

    def activate(self) -> Camera:
        self.gate.touch()
        self.tester.activate("trace_node")
        self.camera = Camera(self.tester)
        return self.camera

    def change(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.tester.call(ChangeState, "/trace_node/change_state", request).success)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def start(tester, processes, gate: Path) -> Iterator:
    nodes: list[FragileNode] = []

    def start(**settings: str) -> FragileNode:
        nodes.append(FragileNode(tester, processes, gate, **settings))
        return nodes[-1]

    yield start
    gate.touch()
    for node in nodes:
        processes.end(node.process)
        if node.camera is not None:
            node.camera.close()
    tester.wait(lambda: tester.node.count_publishers("/tracegen/traces") == 0, "the end of the node")


def test_auto_goes_on_with_the_next_engine_when_one_breaks(start) -> None:
    camera = start().activate()
    camera.instruct("go")
    camera.wait_for_traces()
    values = camera.tester.wait_for_health(HEALTH, Level.OK, "predicting")
    assert values["engine"] == "fragile"
    assert "absent" in values["engines_refused"]
    assert "needs a GPU" in values["engines_refused"]
    camera.instruct("break")
    camera.traces.clear()
    stamp_ns = camera.publish()
    camera.wait_for_traces(stamp_ns + 1)
    assert stamp_ns not in [decode_stamp(cloud.header.stamp) for cloud in camera.traces]
    values = camera.tester.wait_for_health(HEALTH, Level.OK, "predicting")
    assert values["engine"] == "sturdy"
    assert "fragile: broke while running: out of memory" in values["engines_refused"]
    assert "engine broke: out of memory" in values["last_error"]


def test_when_no_engine_works_there_are_no_traces_until_one_does(start) -> None:
    camera = start().activate()
    camera.instruct("break all")
    with camera.running():
        camera.tester.wait_for_health(HEALTH, Level.ERROR, "engine broke: no engine runs")
        camera.tester.wait_for_health(HEALTH, Level.ERROR, "trying again in")
        assert camera.traces == []
        camera.instruct("go")
        camera.tester.wait(lambda: camera.traces, "traces of an engine that was loaded again")
        assert camera.tester.wait_for_health(HEALTH, Level.OK, "predicting")["engine"] == "fragile"


def test_an_engine_asked_for_by_name_is_loaded_again_and_not_replaced(start) -> None:
    camera = start(engine="fragile").activate()
    camera.instruct("break")
    with camera.running():
        words = "engine broke: engine fragile broke while running: out of memory; trying again in"
        values = camera.tester.wait_for_health(HEALTH, Level.ERROR, words)
        assert "engine" not in values
        assert camera.traces == []
        camera.instruct("go")
        camera.tester.wait(lambda: camera.traces, "traces of the engine that was loaded again")
        assert camera.tester.wait_for_health(HEALTH, Level.OK, "predicting")["engine"] == "fragile"


def test_traces_that_are_ready_too_late_are_counted_and_not_published(start) -> None:
    camera = start(deadline_s="1.0", inference_timeout_s="60.0").activate()
    camera.instruct("late")
    with camera.running():
        values = camera.tester.wait_for_health(HEALTH, Level.ERROR, "deadline missed: traces were ready ")
        assert int(values["deadline_misses"]) >= 1
        assert camera.traces == []
        camera.instruct("go")
        camera.tester.wait(lambda: camera.traces, "traces in time")
        camera.tester.wait_for_health(HEALTH, Level.OK, "predicting")


def test_an_inference_that_hangs_is_named_while_it_does(start, gate: Path) -> None:
    camera = start().activate()
    gate.unlink()
    camera.instruct("hang")
    with camera.running():
        words = "inference hangs: an inference has been running for"
        camera.tester.wait_for_health(HEALTH, Level.ERROR, words)
        assert camera.traces == []
        gate.touch()
        camera.tester.wait(lambda: camera.traces, "traces")
        camera.tester.wait_for_health(HEALTH, Level.OK, "predicting")


def test_loading_is_watched(start, gate: Path) -> None:
    node = start()
    tester = node.tester
    client = tester.client(ChangeState, "/trace_node/change_state")
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    configured = client.call_async(request)
    tester.wait_for_health(HEALTH, Level.WARN, "loading the model for")
    tester.wait_for_health(HEALTH, Level.WARN, "engine is 40 % built")
    assert not configured.done()
    gate.touch()
    tester.wait(configured.done, "the end of loading")
    assert configured.result().success


def test_an_engine_that_is_not_there_is_refused_with_the_reason(start) -> None:
    node = start(engine="absent")
    with pytest.raises(BringUpError, match="trace_node failed to configure"):
        node.activate()
    node.tester.wait_for_health(
        HEALTH, Level.ERROR, "cannot load the model 'fr3_blocks_nano': engine absent needs a GPU"
    )


def test_a_node_whose_inference_hangs_is_activated_again_only_with_another_engine(start, gate: Path) -> None:
    node = start()
    camera = node.activate()
    gate.unlink()
    camera.instruct("hang")
    with camera.running():
        camera.tester.wait_for_health(HEALTH, Level.ERROR, "inference hangs")
    assert node.change(Transition.TRANSITION_DEACTIVATE)
    assert not node.change(Transition.TRANSITION_ACTIVATE)
    camera.instruct("go")
    gate.touch()
    assert node.change(Transition.TRANSITION_CLEANUP)
    assert node.change(Transition.TRANSITION_CONFIGURE)
    assert node.change(Transition.TRANSITION_ACTIVATE)
    camera.wait_for_traces()
