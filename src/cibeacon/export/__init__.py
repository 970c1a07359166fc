"""Exports history as rows for `cibeacon backfill`: merged pull requests and deployments. Sends nothing."""
