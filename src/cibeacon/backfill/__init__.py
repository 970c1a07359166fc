"""Sends history in bulk: reads rows of CSV or NDJSON files and sends each as a signal."""
