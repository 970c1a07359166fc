"""The CI systems: one file each reads what a run is from the variables; beside it, what it shows and its API."""
