"""Parameters of ``record_node``."""

from __future__ import annotations

from dataclasses import dataclass

from tracegen_ros.bags.bag_writer import COMPRESSIONS
from tracegen_ros.bags.topic_map import TopicMap
from tracegen_ros.messages.compressed_images import COLOUR_COMPRESSIONS
from tracegen_ros.parameters import parameter

AS_IT_IS = "none"


@dataclass(frozen=True)
class RecordParameters:
    """What is recorded, where to, and what it may take."""

    bag: str = parameter("", "Folder of the bag, which must not exist; empty makes outputs/bags/TIME")
    topics: str = parameter(
        "",
        "Topics to record, separated by spaces; empty takes what this project's nodes see, say and do; or all",
    )
    also: str = parameter("", "Topics to record besides, separated by spaces")
    never: str = parameter("", "Topics not to record, separated by spaces")
    compression: str = parameter("zstd", "Compression of the bag; loses nothing", choices=tuple(COMPRESSIONS))
    compress_colour: str = parameter(
        AS_IT_IS,
        "Colour images as sensor_msgs/CompressedImage on TOPIC/compressed: none, jpeg (loses detail) or png",
        choices=(AS_IT_IS, *COLOUR_COMPRESSIONS),
    )
    colour_topic: str = parameter(TopicMap.colour, "Colour images that compress_colour is about")
    queue_mb: int = parameter(
        256, "Memory for messages that wait to be written [MiB]; more are dropped", minimum=8, maximum=65536
    )
    largest_bag_gb: float = parameter(
        100.0, "The recording ends when the bag has this size [GiB]", minimum=0.001, maximum=100000.0
    )
    least_free_gb: float = parameter(
        2.0, "The recording ends when less than this is free on the disk [GiB]", minimum=0.0, maximum=100000.0
    )
