"""Runs jq programs from settings in a child process with limits. Does not know what they are for."""
