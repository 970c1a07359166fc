"""Knows the systems that cibeacon tells, played on this machine with a memory and a web page. Does not know cibeacon.

`server.Sandbox` plays DX; `forge.Forge` plays the few questions that GitHub and GitLab are asked.
"""
