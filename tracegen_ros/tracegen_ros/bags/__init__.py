"""Bags: what a run saw, said and did, on disk. Reading needs no ROS graph."""
