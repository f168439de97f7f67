"""Readers, one kind of thing a file: arrays, tables, idx, pictures, and what is known about each row besides its values."""
