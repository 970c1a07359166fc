"""Knows the systems that cibeacon reports to, as they answer on this machine, with a memory and a web page. Does not know
cibeacon.

`server.Sandbox` is DX, DCI, DataOps.live, Instabase Flow and OTLP, one app each (`app`), served by uvicorn (`listener`). What
they have in common, faults on order and the ledger, is in `vendor`.
"""
