"""Tells the systems that want to know what a CI run did, without ever breaking the build."""

__version__ = "0.1.0"
