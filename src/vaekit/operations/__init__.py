"""A system at work."""

from vaekit.operations.store import FORMAT, load_system, save_system

__all__ = ["FORMAT", "load_system", "save_system"]
