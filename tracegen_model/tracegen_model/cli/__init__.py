"""``tracegen``: data, training, export and evaluation from the command line."""

from tracegen_model.cli.main import main

__all__ = ["main"]
