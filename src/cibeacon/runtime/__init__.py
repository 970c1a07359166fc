"""The process itself: its environment, its deadline, how it is interrupted, what it leaves behind."""
