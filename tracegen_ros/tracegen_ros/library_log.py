"""What a library says through Python's ``logging``, said again in a ROS node's log."""

from __future__ import annotations

import logging

from rclpy.impl.rcutils_logger import RcutilsLogger


class LibraryLog(logging.Handler):
    """Passes on what the logger called ``name``, and those below it, say from INFO upwards.

    Args:
        name: Name of the library's logger.
        ros_logger: Where it is said again.
    """

    def __init__(self, name: str, ros_logger: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self._library = logging.getLogger(name)
        self._ros_logger = ros_logger
        self.last = ""
        """The last message."""

    def attach(self) -> None:
        """Listen from now on."""
        self.last = ""
        self._library.addHandler(self)
        self._library.setLevel(logging.INFO)

    def detach(self) -> None:
        """Listen no more."""
        self._library.removeHandler(self)
        self._library.setLevel(logging.NOTSET)

    def emit(self, record: logging.LogRecord) -> None:
        """See :class:`logging.Handler`."""
        self.last = record.getMessage()
        # rclpy keeps one severity for each line of code that logs.
        if record.levelno >= logging.ERROR:
            self._ros_logger.error(self.last)
        elif record.levelno >= logging.WARNING:
            self._ros_logger.warning(self.last)
        else:
            self._ros_logger.info(self.last)
