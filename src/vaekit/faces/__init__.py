"""What people touch: the Python face, the estimators and the command."""
