"""The record of a command, and its words for people and programs."""
