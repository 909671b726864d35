"""The nano network: a small relative of TraceGen that trains on a CPU and runs at camera rate on one."""
