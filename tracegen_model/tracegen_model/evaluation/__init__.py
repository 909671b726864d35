"""Measures of predicted traces, and reports people can look at."""
