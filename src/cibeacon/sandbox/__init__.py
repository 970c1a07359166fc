"""Knows the systems that cibeacon reports to, as they answer on this machine, with a memory and a web page. Does not know
cibeacon.

`server.Sandbox` is the vendors that `vendors` lists, one app each, served by uvicorn (`listener`). What they have in common,
faults on order and the ledger, is in `vendor`.
"""
