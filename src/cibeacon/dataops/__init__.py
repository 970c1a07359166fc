"""Controls DataOps.live pipelines: trigger, wait, logs, schedules. Only the client uses python-gitlab; the rest is data.

https://docs.dataops.live/docs/api-docs/rest-api-resources/ and, since it is the same API,
https://docs.gitlab.com/api/rest/. Works with any GitLab.
"""
