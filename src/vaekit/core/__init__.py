"""The contracts that every room keeps; imports torch and numpy alone."""
