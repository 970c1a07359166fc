"""The CI systems. A host is a module: it reads what a run is from the environment, and says how to speak there."""
