"""RViz knows every class, property and policy that our configuration names; others it would ignore silently."""

from __future__ import annotations

import pytest
from tests.rviz_config.catalogue import (
    DISPLAYS,
    GLOBAL_OPTIONS,
    OF_EVERY_DISPLAY,
    PANELS,
    POLICIES,
    TOOLS,
    TRANSFORMATIONS,
    VIEWS,
)
from tests.rviz_config.config import displays, read_config, subscriptions


@pytest.mark.parametrize("display", displays(), ids=lambda display: display["Name"])
def test_a_display_is_one_that_rviz_has_with_properties_it_knows(display: dict) -> None:
    assert display["Class"] in DISPLAYS
    known = DISPLAYS[display["Class"]]
    groups = {known.topic_property} if known.message_type else set()
    assert set(display) <= OF_EVERY_DISPLAY | known.properties | groups
    assert {"Name", "Enabled"} <= set(display)
    for name, values in known.choices:
        assert display.get(name, next(iter(values))) in values
    if known.message_type:
        topic = display[known.topic_property]
        assert {"Value", *POLICIES} <= set(topic) <= known.topic_fields
        for policy, values in POLICIES.items():
            assert topic[policy] in values


def test_panels_tools_views_and_options_are_rvizs() -> None:
    config = read_config()
    manager = config["Visualization Manager"]
    assert {panel["Class"] for panel in config["Panels"]} <= PANELS
    assert {tool["Class"] for tool in manager["Tools"]} <= TOOLS
    assert manager["Views"]["Current"]["Class"] in VIEWS
    assert manager["Transformation"]["Current"]["Class"] in TRANSFORMATIONS
    assert set(manager["Global Options"]) == GLOBAL_OPTIONS


def test_names_are_unique_and_images_have_their_place_in_the_window() -> None:
    names = [display["Name"] for display in displays()]
    assert len(set(names)) == len(names)
    panels = set(read_config()["Window Geometry"]) - {"Height", "Width", "Displays"}
    assert panels <= {display["Name"] for display in displays() if display["Class"].endswith("/Image")}


def test_everything_is_shown_that_people_look_for() -> None:
    shown = {subscription.topic for subscription in subscriptions() if subscription.enabled}
    assert shown == {
        "/robot_description",
        "/ghost/robot_description",
        "/tracegen/cloud",
        "/tracegen/markers",
        "/tracegen/overlay",
        "/trace_follower/markers",
    }
    namespaces = {name for subscription in subscriptions() for name in subscription.namespaces}
    assert {"traces", "hand_traces", "path", "events", "workspace", "state"} <= namespaces
