"""The only way to the sinks over HTTP: one client with retries inside a deadline. Knows no vendor."""
