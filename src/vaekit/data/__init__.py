"""Where records come from and where results go: one door to open, one to stream, one to write, and the split between them."""

from vaekit.data.catalogue import CATALOGUE, open_catalogue
from vaekit.data.opening import open_column, open_facts, open_records
from vaekit.data.sources.tables import to_frame
from vaekit.data.splits import Splits, split
from vaekit.data.streaming import column_names, stream_records
from vaekit.data.writing import open_writer, write_records

__all__ = [
    "CATALOGUE", "Splits", "column_names", "open_catalogue", "open_column", "open_facts", "open_records", "open_writer", "split",
    "stream_records", "to_frame", "write_records",
]
