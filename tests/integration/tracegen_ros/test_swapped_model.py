"""Files of a checkpoint are changed under a running ``trace_node``: nothing changes until it is configured again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from numpy.typing import NDArray
from tests.integration.tracegen_ros.camera_of_messages import HEALTH, Camera

from tracegen_model.network.checkpoint_config import CONFIG_FILE
from tracegen_model.runtime import find_checkpoint
from tracegen_ros.messages import Level, decode_stamp, decode_trace_grid

SHIPPED = find_checkpoint("fr3_blocks_nano")


def overwrite_by_half(path: Path) -> None:
    """As a copy over the old file would look when it stopped half-way: same file, cut off, other bytes."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
        file.write(b"\x17" * 4096)


class ModelNode:
    """The real node on a copy of the shipped checkpoint."""

    def __init__(self, tester, processes, folder: Path) -> None:
        self.tester, self.folder = tester, folder
        shutil.copytree(SHIPPED, folder)
        self.process = processes.node(
            "tracegen_ros.nodes.trace_node",
            model=folder,
            diagnostics_rate_hz=20.0,
            frame_timeout_s=10.0,
            deadline_s=10.0,
        )
        tester.activate("trace_node")
        self.camera = Camera(tester)
        self.camera.instruct("put the red block in the green zone")

    def displacement(self) -> NDArray[np.float32]:
        """(points, 3) [m] how far the traces of the same picture lead now."""
        cloud = self.camera.wait_for_traces(self.tester.node.get_clock().now().nanoseconds)
        assert decode_stamp(cloud.header.stamp) > 0
        points = decode_trace_grid(cloud).points_in_camera
        return points[-1] - points[0]

    def change(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.tester.call(ChangeState, "/trace_node/change_state", request).success)

    def configure_again(self) -> bool:
        return self.change(Transition.TRANSITION_CONFIGURE)


@pytest.fixture
def node(tester, processes, tmp_path: Path) -> Iterator[ModelNode]:
    node = ModelNode(tester, processes, tmp_path / "checkpoint")
    yield node
    processes.end(node.process)
    node.camera.close()


def test_a_running_model_is_not_disturbed_and_the_new_one_is_loaded_by_configuring(node: ModelNode) -> None:
    before = node.displacement()
    files = sorted(path for path in node.folder.iterdir() if path.suffix in (".onnx", ".safetensors"))
    for path in files:
        overwrite_by_half(path)
    for _ in range(3):
        np.testing.assert_array_equal(node.displacement(), before)
    weights = node.tester.wait_for_health(HEALTH, Level.OK, "predicting")["weights"]
    assert node.change(Transition.TRANSITION_DEACTIVATE)
    assert node.change(Transition.TRANSITION_CLEANUP)
    assert not node.configure_again()
    node.tester.wait_for_health(HEALTH, Level.ERROR, "is damaged: its SHA-256 is not that of config.json")
    for path in files:
        shutil.copyfile(SHIPPED / path.name, path)
    config = json.loads((node.folder / CONFIG_FILE).read_text())
    config["increment_scale"] = [2.0 * scale for scale in config["increment_scale"]]
    (node.folder / CONFIG_FILE).write_text(json.dumps(config))
    assert node.configure_again()
    assert node.change(Transition.TRANSITION_ACTIVATE)
    np.testing.assert_allclose(node.displacement()[:, 2], 2.0 * before[:, 2], atol=1e-4)
    assert node.tester.wait_for_health(HEALTH, Level.OK, "predicting")["weights"] == weights
