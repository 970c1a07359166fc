# The image behind the GitHub action and the GitLab component.
#
# The base is an argument so that the image can be built where only a stand-in is at hand. /bin/sh stays: GitLab's
# runner needs it. There is no USER: GitHub's runner mounts files that only root may write.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
COPY requirements/runtime.txt requirements/build.txt /tmp/requirements/
RUN python3 -m venv --copies /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements/build.txt
COPY pyproject.toml README.md LICENSE /tmp/source/
COPY src /tmp/source/src
# The scripts run with -I: a workflow's PYTHONPATH or PYTHONHOME reaches this container too, and could run the
# checkout's code with our token, or keep Python from starting.
RUN /opt/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /tmp/wheel /tmp/source \
 && python3 -m venv --without-pip /opt/cibeacon \
 && /opt/build/bin/pip --python /opt/cibeacon/bin/python install --no-cache-dir --compile --require-hashes -r /tmp/requirements/runtime.txt \
 && /opt/build/bin/pip --python /opt/cibeacon/bin/python install --no-cache-dir --compile --no-deps /tmp/wheel/*.whl \
 && sed -i '1s/$/ -I/' /opt/cibeacon/bin/cibeacon*

FROM ${BASE_IMAGE}
# A pinned version goes from the mirrors one day, and every user's build with it.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/cibeacon /opt/cibeacon
# The official image leaves the standard library uncompiled, which every start would pay for: compile what is used.
RUN /opt/cibeacon/bin/python -I -c "import tomllib, cibeacon.cli.report, cibeacon.cli.services, cibeacon.courier, \
cibeacon.hosts.github_api, cibeacon.hosts.gitlab_api, cibeacon.reshape, jq, yaml"
ENV PATH=/opt/cibeacon/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8
LABEL org.opencontainers.image.title=cibeacon \
      org.opencontainers.image.description="CI telemetry that never breaks the build" \
      org.opencontainers.image.licenses=Apache-2.0
ENTRYPOINT ["/opt/cibeacon/bin/cibeacon"]
