"""TraceGen on ROS 2: thin nodes around ``tracegen_model``, and the one place that packs messages."""
