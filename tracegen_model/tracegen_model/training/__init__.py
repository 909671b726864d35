"""Trains and measures TraceGen networks."""
