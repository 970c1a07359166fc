"""History in bulk: CSV in, signals out; and out of the history, CSV."""
