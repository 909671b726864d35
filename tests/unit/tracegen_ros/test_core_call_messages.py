"""Calls of the motion core as messages."""

from __future__ import annotations

import pytest
from std_msgs.msg import String

from tracegen_ros.messages import MessageError
from tracegen_ros.messages.core_calls import CallKind, CoreCall, decode_core_call, encode_core_call


@pytest.mark.parametrize(
    "call",
    [
        CoreCall(3, CallKind.TASK, text='put "it" there'),
        CoreCall(4, CallKind.ENABLE, on=True),
        CoreCall(5, CallKind.RECOVER),
        CoreCall(6, CallKind.UPDATE, silent=("camera", "clock")),
        CoreCall(
            5, CallKind.UPDATE, now_ns=1_795_275_600_123_456_789, traces_ns=0, joints_ns=7, has_depth=True
        ),
    ],
)
def test_a_call_comes_back_as_it_was_sent(call: CoreCall) -> None:
    assert decode_core_call(encode_core_call(call)) == call


@pytest.mark.parametrize(
    "text", ["", "[]", '{"number": 1}', '{"number": 1, "kind": "jump"}', '{"kind": "task", "x": 1}']
)
def test_other_texts_are_refused_with_what_they_said(text: str) -> None:
    with pytest.raises(MessageError, match="no call of the motion core"):
        decode_core_call(String(data=text))
