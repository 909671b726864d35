"""Trace episodes on disk and the memory-mapped cache that training reads."""
