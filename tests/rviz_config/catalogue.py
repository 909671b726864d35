"""What RViz has: the built-in classes that our configuration may name, their message types and their properties.

RViz cannot be installed everywhere, and it ignores what it does not know without a word. So this is copied down by
name from its sources, ``ros2/rviz`` branch ``jazzy`` at 14.1.5: class names and message types from
``rviz_default_plugins/plugins_description.xml``, property names from the displays' constructors in
``rviz_default_plugins/src`` and from ``rviz_common`` (``display.cpp``, ``ros_topic_display.hpp``,
``message_filter_display.hpp``, ``qos_profile_property.cpp``, ``visualization_manager.cpp``).
"""

from __future__ import annotations

from dataclasses import dataclass

OF_EVERY_DISPLAY = frozenset({"Class", "Name", "Enabled", "Value"})
OF_EVERY_TOPIC = frozenset({"Value", "Durability Policy", "Reliability Policy", "History Policy", "Depth"})
OF_FILTERED_TOPICS = OF_EVERY_TOPIC | {"Filter size"}

POLICIES = {
    "Durability Policy": {"System Default", "Transient Local", "Volatile"},
    "Reliability Policy": {"System Default", "Reliable", "Best Effort"},
    "History Policy": {"System Default", "Keep Last", "Keep All"},
}


@dataclass(frozen=True)
class DisplayClass:
    """A display that RViz has.

    Attributes:
        message_type: What it subscribes to; None = nothing.
        topic_property: Group that holds the topic and its QoS.
        topic_fields: What that group may hold.
        properties: What else it may hold.
        choices: The values that some of them may have.
    """

    message_type: str | None
    properties: frozenset[str]
    topic_property: str = "Topic"
    topic_fields: frozenset[str] = OF_EVERY_TOPIC
    choices: tuple[tuple[str, frozenset[str]], ...] = ()


DISPLAYS = {
    "rviz_default_plugins/Grid": DisplayClass(
        None,
        frozenset(
            {
                "Reference Frame",
                "Plane Cell Count",
                "Normal Cell Count",
                "Cell Size",
                "Line Style",
                "Color",
                "Alpha",
                "Plane",
                "Offset",
            }
        ),
    ),
    "rviz_default_plugins/TF": DisplayClass(
        None,
        frozenset(
            {
                "Show Names",
                "Show Axes",
                "Show Arrows",
                "Marker Scale",
                "Update Interval",
                "Frame Timeout",
                "Filter (whitelist)",
                "Filter (blacklist)",
                "Frames",
            }
        ),
    ),
    "rviz_default_plugins/RobotModel": DisplayClass(
        "std_msgs/msg/String",
        frozenset(
            {
                "Visual Enabled",
                "Collision Enabled",
                "Mass Properties",
                "Update Interval",
                "Alpha",
                "Description Source",
                "Description File",
                "TF Prefix",
                "Links",
            }
        ),
        topic_property="Description Topic",
        choices=(("Description Source", frozenset({"Topic", "File"})),),
    ),
    "rviz_default_plugins/PointCloud2": DisplayClass(
        "sensor_msgs/msg/PointCloud2",
        frozenset(
            {
                "Selectable",
                "Style",
                "Size (m)",
                "Size (Pixels)",
                "Alpha",
                "Decay Time",
                "Position Transformer",
                "Color Transformer",
            }
        ),
        topic_fields=OF_FILTERED_TOPICS,
        choices=(
            ("Style", frozenset({"Points", "Squares", "Flat Squares", "Spheres", "Boxes", "Tiles"})),
            ("Position Transformer", frozenset({"XYZ"})),
            ("Color Transformer", frozenset({"RGB8", "RGBF32", "Intensity", "AxisColor", "FlatColor"})),
        ),
    ),
    "rviz_default_plugins/MarkerArray": DisplayClass(
        "visualization_msgs/msg/MarkerArray", frozenset({"Namespaces"})
    ),
    "rviz_default_plugins/Path": DisplayClass(
        "nav_msgs/msg/Path",
        frozenset(
            {
                "Line Style",
                "Line Width",
                "Color",
                "Alpha",
                "Buffer Length",
                "Offset",
                "Pose Style",
                "Pose Color",
            }
        ),
        topic_fields=OF_FILTERED_TOPICS,
        choices=(("Line Style", frozenset({"Lines", "Billboards"})),),
    ),
    "rviz_default_plugins/Image": DisplayClass(
        "sensor_msgs/msg/Image", frozenset({"Normalize Range", "Min Value", "Max Value", "Median window"})
    ),
}
"""The displays that show what we publish, of the 32 that RViz has."""

PANELS = frozenset(
    {
        "rviz_common/Displays",
        "rviz_common/Help",
        "rviz_common/Selection",
        "rviz_common/Time",
        "rviz_common/Tool Properties",
        "rviz_common/Transformation",
        "rviz_common/Views",
    }
)
TOOLS = frozenset(
    f"rviz_default_plugins/{name}"
    for name in (
        "MoveCamera",
        "PublishPoint",
        "Select",
        "SetGoal",
        "Measure",
        "FocusCamera",
        "SetInitialPose",
        "Interact",
    )
)
VIEWS = frozenset(
    f"rviz_default_plugins/{name}"
    for name in ("FPS", "Orbit", "TopDownOrtho", "XYOrbit", "ThirdPersonFollower")
)
TRANSFORMATIONS = frozenset({"rviz_default_plugins/TF", "rviz_common/Identity"})
GLOBAL_OPTIONS = frozenset({"Fixed Frame", "Background Color", "Frame Rate"})
