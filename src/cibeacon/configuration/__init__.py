"""The repository configuration: found, parsed, read, checked."""
