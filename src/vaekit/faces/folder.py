"""The names of the files in a run's folder that are the faces' own."""

__all__ = ["HISTORY", "RUN"]

RUN = "run.json"
"""What a run was begun with."""

HISTORY = "history.json"
"""What training measured."""
