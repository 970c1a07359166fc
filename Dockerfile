# The image behind the GitHub action and the GitLab component.
#
# The base is an argument so that the image can be built where only a stand-in is at hand, or a pinned digest is asked
# for. /bin/sh stays: GitLab's runner needs it. There is no USER: GitHub's runner mounts files that only root may write;
# any other user may run it too. Nothing here needs BuildKit.
ARG BASE_IMAGE=python:3.11-slim-bookworm

# Only the parts of git that are used: the package brings Perl, which is more than the whole rest of the image. Its
# record goes along, where scanners look for packages that dpkg did not install.
FROM ${BASE_IMAGE} AS git
# A pinned version goes from the mirrors one day, and every user's build with it.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git \
 && mkdir -p /opt/git/usr/bin /opt/git/usr/lib/git-core /opt/git/usr/share/doc/git /opt/git/usr/share/git-core \
    /opt/git/var/lib/dpkg/status.d \
 && cp /usr/bin/git /opt/git/usr/bin/ \
 && cp --no-dereference /usr/lib/git-core/git-remote-http /usr/lib/git-core/git-remote-https /opt/git/usr/lib/git-core/ \
 && cp -r /usr/share/git-core/templates /opt/git/usr/share/git-core/ \
 && cp /usr/share/doc/git/copyright /opt/git/usr/share/doc/git/ \
 && dpkg-query --status git >/opt/git/var/lib/dpkg/status.d/git

FROM ${BASE_IMAGE} AS build
# The last change's time, in Unix seconds: it dates the files, so that the same source gives the same files.
ARG SOURCE_DATE_EPOCH=1704067200
COPY requirements/runtime.txt requirements/build.txt /tmp/requirements/
RUN python3 -m venv --copies /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --no-compile --no-deps \
    --require-hashes -r /tmp/requirements/build.txt
RUN python3 -m venv --without-pip /opt/cibeacon \
 && /opt/build/bin/pip --python /opt/cibeacon/bin/python install --no-cache-dir --no-compile --only-binary :all: \
    --no-deps --require-hashes -r /tmp/requirements/runtime.txt
COPY pyproject.toml README.md LICENSE /tmp/source/
COPY src /tmp/source/src
# The scripts run with -I: a workflow's PYTHONPATH or PYTHONHOME reaches this container too, and could run the
# checkout's code with our token, or keep Python from starting. They lose an import that only Windows needs.
# The bytecode is never compared with its source, which nobody edits here; the lexers, which nothing uses, have none.
RUN /opt/build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /tmp/wheel /tmp/source \
 && /opt/build/bin/pip --python /opt/cibeacon/bin/python install --no-cache-dir --no-compile --no-deps /tmp/wheel/*.whl \
 && find /opt/cibeacon/bin -mindepth 1 ! -name 'python*' ! -name 'cibeacon*' -delete \
 && sed -i -e '1s/$/ -I/' -e '/^import re$/d' -e '/re\.sub(/d' /opt/cibeacon/bin/cibeacon* \
 && /opt/cibeacon/bin/python -I -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -x '/pygments/(lexers|styles|formatters)/' /opt/cibeacon/lib \
 && find /opt/cibeacon -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VERSION=unreleased
ARG REVISION=unknown
# What git's parts link to; apt knows what those need in turn.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libcurl3-gnutls libpcre2-8-0 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/apt /var/log/*.log
COPY --from=git /opt/git/ /
COPY --from=build /opt/cibeacon /opt/cibeacon
# The official image leaves the standard library uncompiled, which every start would pay for: compile what is used.
RUN ["/opt/cibeacon/bin/python", "-I", "-c", "import compileall, encodings, importlib, pkgutil, shlex, cibeacon, jq, tomllib\nassert compileall.compile_dir(encodings.__path__[0], quiet=1)\nfor module in pkgutil.walk_packages(cibeacon.__path__, 'cibeacon.'):\n    if module.name != 'cibeacon.jq.jq_child' and not module.name.endswith(('.cli.demo', '.cli.sandbox')) and not module.name.startswith(('cibeacon.demo', 'cibeacon.sandbox')):\n        importlib.import_module(module.name)\n"]
ENV PATH=/opt/cibeacon/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8
LABEL org.opencontainers.image.title=cibeacon \
      org.opencontainers.image.description="CI telemetry that never breaks the build" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.source=https://github.com/cibeacon/cibeacon \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.base.name=${BASE_IMAGE}
ENTRYPOINT ["/opt/cibeacon/bin/cibeacon"]
