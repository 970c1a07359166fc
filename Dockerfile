# The image behind the GitHub action and the GitLab component: only what runs, out of Debian's packages.
#
# The base is where the files come from, and is not in the image. It is an argument so that the image can be built where
# only a stand-in is at hand, or a pinned digest is asked for. GitLab runs its scripts with sh, and bash. There is no USER:
# GitHub's runner mounts files that only root may write; any other user may run it too. Nothing here needs BuildKit.
ARG BASE_IMAGE=debian:trixie-slim

FROM ${BASE_IMAGE} AS build
# A pinned version goes from the mirrors one day, and every user's build with it.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git python3-venv tzdata
COPY requirements/image.txt requirements/build.txt /tmp/requirements/
RUN python3 -m venv --copies /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --no-compile --no-deps \
    --require-hashes -r /tmp/requirements/build.txt
# The bytecode is never compared with its source, which nobody edits here. All of the two lower layers has one date, so
# that they are the same as long as what they hold is.
RUN python3 -m venv --without-pip /opt/cibeacon \
 && /opt/build/bin/pip --python /opt/cibeacon/bin/python install --no-cache-dir --no-compile --only-binary :all: \
    --no-deps --require-hashes -r /tmp/requirements/image.txt \
 && find /opt/cibeacon/bin -mindepth 1 ! -name 'python*' -delete \
 && /opt/cibeacon/bin/python -I -m compileall -q --invalidation-mode unchecked-hash /opt/cibeacon/lib \
 && mkdir -p /image/packages/opt \
 && cp -a /opt/cibeacon /image/packages/opt/ \
 && find /image/packages -exec touch --no-dereference --date=@1704067200 {} +
COPY scripts/root-files /tmp/
RUN /tmp/root-files /image/debian 1704067200 /opt/cibeacon
# The last change's time, in Unix seconds: it dates our own files, so that the same source gives the same files.
ARG SOURCE_DATE_EPOCH=1704067200
COPY pyproject.toml README.md LICENSE /tmp/source/
COPY src /tmp/source/src
# The scripts run with -I: a workflow's PYTHONPATH or PYTHONHOME reaches this container too, and could run the
# checkout's code with our token, or keep Python from starting. With -S nothing looks for packages either; where they
# are is written down. They lose an import that only Windows needs. The sandbox is not in the image, as docs/sandbox.md
# says: what it is made of is not.
RUN /opt/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /tmp/wheel /tmp/source \
 && /opt/build/bin/pip --python /opt/cibeacon/bin/python install --no-cache-dir --no-compile --no-deps /tmp/wheel/*.whl
RUN packages="$(echo /opt/cibeacon/lib/python3*/site-packages)" \
 && sed -i -e '1s/$/ -IS/' -e '/^import re$/d' -e '/re\.sub(/d' -e "s|^import sys\$|&\nsys.path.append('$packages')|" \
    /opt/cibeacon/bin/cibeacon* \
 && rm -rf "$packages/cibeacon/sandbox" "$packages/cibeacon/demo" \
 && /opt/cibeacon/bin/python -I -m compileall -q --invalidation-mode unchecked-hash "$packages/cibeacon" \
 && mkdir -p "/image/own$packages" /image/own/opt/cibeacon/bin \
 && cp -a "$packages/cibeacon" "$packages"/cibeacon-*.dist-info "/image/own$packages" \
 && cp -a /opt/cibeacon/bin/cibeacon* /image/own/opt/cibeacon/bin/ \
 && find /image/own -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

# What changes rarely lies below.
FROM scratch
COPY --from=build /image/debian/ /
COPY --from=build /image/packages/ /
COPY --from=build /image/own/ /
ENV PATH=/opt/cibeacon/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title=cibeacon \
      org.opencontainers.image.description="CI telemetry that never breaks the build" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.source=https://github.com/cibeacon/cibeacon \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION}
ENTRYPOINT ["/opt/cibeacon/bin/cibeacon"]
