"""``ros2 run tracegen_ros instruct``: exit codes and what is heard."""

from __future__ import annotations

import subprocess
import sys

import pytest
from std_msgs.msg import String

from tracegen_ros.qos import LATCHED

COMMAND = [sys.executable, "-c", "from tracegen_ros.nodes.instruct import main; main()"]


def instruct(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> tuple[int, str]:
    _, errors = process.communicate(timeout=120.0)
    return process.returncode, errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["put the red block", "there"], "put the red block there"), (["--stop"], "")],
)
def test_everyone_who_listens_hears_it_and_it_exits_with_zero(
    tester, arguments: list[str], text: str
) -> None:
    heard: list[String] = []
    listeners = [
        tester.node.create_subscription(String, "/task_instruction", heard.append, LATCHED) for _ in "ab"
    ]
    process = instruct(*arguments)
    tester.wait(lambda: process.poll() is not None, "instruct to end")
    tester.wait(lambda: len(heard) == 2, "both listeners to hear it")
    assert finish(process)[0] == 0
    assert [message.data for message in heard] == [text, text]
    for listener in listeners:
        tester.node.destroy_subscription(listener)


def test_it_says_so_and_fails_when_nobody_listens() -> None:
    code, errors = finish(instruct("go", "--timeout", "0.3", "--topic", "/nobody_listens_here"))
    assert code == 1
    assert "0 of 1 node(s) listen to /nobody_listens_here" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the instruction is empty"),
        (["  "], "the instruction is empty"),
        (["go", "--stop"], "not both"),
        (["x" * 10_240], "10240 characters, at most 1000"),
    ],
)
def test_bad_text_is_refused_with_a_reason(arguments: list[str], words: str) -> None:
    code, errors = finish(instruct(*arguments))
    assert code == 2
    assert words in errors
