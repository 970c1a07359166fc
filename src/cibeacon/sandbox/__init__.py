"""Knows the systems that cibeacon tells, played on this machine with a memory and a web page. Does not know cibeacon.

`server.Sandbox` plays DX, DCI, DataOps.live and Instabase Flow; `forge.Forge` plays the few questions that GitHub and
GitLab are asked; `elsewhere.Elsewhere` is a host that nobody should be led to.
"""
