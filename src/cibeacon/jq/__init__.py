"""jq programs of the settings, run in a bounded child process. Does not know what they are for."""
