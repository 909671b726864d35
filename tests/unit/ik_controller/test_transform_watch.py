"""A publisher of the camera's pose that is gone is missed until anybody says the pose again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ik_controller.nodes.transform_watch import TransformWatch


class Graph:
    """A node's view of who publishes, and what they answer."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.pose_is_said_by: set[str] = set(names)
        self.open_questions = 0

    def get_publishers_info_by_topic(self, topic: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(node_namespace="/", node_name=name) for name in sorted(self.names)]

    def ask(self) -> Graph:
        self.open_questions += 1
        return self

    def is_answered(self) -> bool:
        return bool(self.names & self.pose_is_said_by)

    def close(self) -> None:
        self.open_questions -= 1


@pytest.fixture
def graph() -> Graph:
    return Graph("static_transform_publisher_a")


@pytest.fixture
def watch(graph: Graph) -> TransformWatch:
    watch = TransformWatch(graph, graph.ask)  # type: ignore[arg-type]
    assert watch.missing() == [], "nobody is needed before the pose was found"
    watch.begin(pose_is_fixed=True)
    assert watch.missing() == []
    return watch


def test_a_publisher_that_is_back_under_another_name_is_as_good(graph: Graph, watch: TransformWatch) -> None:
    graph.names = set()
    assert [watch.missing() for _ in range(3)] == [["/static_transform_publisher_a"]] * 3
    graph.names = {"static_transform_publisher_b"}
    assert watch.missing() == ["/static_transform_publisher_a"], "it is there, and has said nothing yet"
    graph.pose_is_said_by = {"static_transform_publisher_b"}
    assert watch.missing() == []
    assert graph.open_questions == 0
    graph.names = set()
    assert watch.missing() == ["/static_transform_publisher_b"], "from now on the new one is needed"


def test_one_that_is_back_under_its_name_counts_once_it_has_said_the_pose(
    graph: Graph, watch: TransformWatch
) -> None:
    graph.names, graph.pose_is_said_by = set(), set()
    watch.missing()
    graph.names = {"static_transform_publisher_a"}
    assert watch.missing()
    graph.pose_is_said_by = {"static_transform_publisher_a"}
    assert watch.missing() == []


def test_an_end_of_somebody_else_is_over_once_the_pose_is_heard(graph: Graph) -> None:
    graph.names.add("somebody_else")
    watch = TransformWatch(graph, graph.ask)  # type: ignore[arg-type]
    watch.begin(pose_is_fixed=True)
    graph.names.discard("somebody_else")
    assert watch.missing() == ["/somebody_else"]
    assert watch.missing() == []
    assert graph.open_questions == 0


def test_a_person_may_do_without_those_that_are_missing(graph: Graph, watch: TransformWatch) -> None:
    assert not watch.forget()
    watch.begin(pose_is_fixed=True)
    graph.names = set()
    assert watch.missing()
    assert watch.forget()
    assert watch.missing() == []
    assert graph.open_questions == 0
