"""The process itself: what it was given, how long it may take, how it is interrupted, what it leaves behind."""
