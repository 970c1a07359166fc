"""Sends signals, and keeps those that could not be delivered."""
