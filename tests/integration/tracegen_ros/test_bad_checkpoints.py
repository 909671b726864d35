"""``trace_node`` refuses to be configured with a checkpoint that is not one, and stays there to be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState

from tracegen_ros.nodes.bring_up import BringUpError


def corrupt(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text('{"this": "is cut off')


@pytest.mark.parametrize(
    "make", [lambda folder: None, Path.mkdir, corrupt], ids=["missing", "empty", "corrupt"]
)
def test_a_checkpoint_that_is_not_one_is_refused(tester, processes, tmp_path: Path, make) -> None:
    folder = tmp_path / "checkpoint"
    make(folder)
    process = processes.node("tracegen_ros.nodes.trace_node", model=folder)
    with pytest.raises(BringUpError, match="trace_node failed to configure"):
        tester.activate("trace_node")
    state = tester.call(GetState, "/trace_node/get_state", GetState.Request()).current_state
    assert state.id == State.PRIMARY_STATE_UNCONFIGURED
    processes.end(process)
