"""The options of where traces are sent by OTLP. The variables of OpenTelemetry's own tools complete them.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from cibeacon.model import parsers
from cibeacon.model.endpoint import Endpoint
from cibeacon.settings.options import Origin, Problem, Requirements, option

PATH = "/v1/traces"
_ENV = "env"
_EXACT, _BASE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_SHORTEST = 8
"""Characters of a header's value that is masked by itself: a tenant's number stands in ordinary text."""


def _address(given: str) -> str:
    """The URL that traces are sent to, or `env`."""
    if given.lower() == _ENV:
        return _ENV
    return parsers.url(given).removesuffix(PATH) + PATH


def _headers(given: str) -> str:
    """Headers as `name=value,name=value`, in which values may be percent-encoded."""
    for pair in filter(None, map(str.strip, given.split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise ValueError("is not a list of headers such as api-key=VALUE,x-tenant=VALUE")
        if not unquote(value).isascii() or not unquote(value).isprintable():
            raise ValueError("holds a character that no header has; write it percent-encoded")
    return given


def _pairs(given: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _secrets(given: str) -> tuple[str, ...]:
    """Each header's value, as it is written and as it is sent, and without the name of a scheme."""
    written = [pair.partition("=")[2].strip() for pair in given.split(",")]
    sent = list(map(unquote, written))
    return tuple(text for text in (*written, *sent, *(each.split(" ")[-1] for each in sent)) if len(text) >= _SHORTEST)


class Otlp(NamedTuple):
    """OpenTelemetry (OTLP)"""

    otlp_endpoint: str | None = option(
        _address,
        None,
        "URL of an OTLP receiver, such as https://otel.example.com:4318; /v1/traces is added to it. Turns traces on. env "
        "reads it from OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or else from OTEL_EXPORTER_OTLP_ENDPOINT.",
    )
    otlp_headers: str | None = option(
        _headers,
        None,
        "Headers that the OTLP receiver asks for, such as api-key=VALUE,x-tenant=VALUE; values may be percent-encoded.",
        secret=True,
        secrets=_secrets,
        shared=True,
        also=_HEADERS,
    )

    @property
    def requirements(self) -> Requirements:
        """What must be set before anything can be sent."""
        lacks = "no OTLP receiver is configured: set otlp_endpoint"
        return Requirements(("otlp_endpoint",), lacks, {"otlp_endpoint": lacks}, address="otlp_endpoint")

    @property
    def endpoint(self) -> Endpoint:
        """Where traces go. The form is the path."""
        parts, headers = urlsplit(self.otlp_endpoint or ""), self.otlp_headers or ""
        base_url = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        return Endpoint(base_url, headers, parts.path or "/", headers=_pairs(headers), open=not headers)

    def completed(self, environ: Mapping[str, str], origins: Mapping[str, Origin]) -> tuple[Self, tuple[Problem, ...]]:
        """Reads the address from OpenTelemetry's variables, where it is to be read there.

        Headers of these variables are for the receiver that the variables name, if they name one.
        """
        exact, base = environ.get(_EXACT, "").strip(), environ.get(_BASE, "").strip()
        name, given = (_EXACT, exact) if exact else (_BASE, base)
        if self.otlp_endpoint == _ENV:
            return self._read(name, given)
        is_other = urlsplit(given).netloc not in ("", urlsplit(self.otlp_endpoint or "").netloc)
        if is_other and origins["otlp_headers"].source in _HEADERS:
            return self._replace(otlp_headers=None), ()
        return self, ()

    def _read(self, name: str, given: str) -> tuple[Self, tuple[Problem, ...]]:
        unset = self._replace(otlp_endpoint=None)
        if not given:
            message = f"otlp_endpoint is {_ENV}, and neither {_EXACT} nor {_BASE} is set"
            return unset, (Problem("otlp", "otlp_endpoint", message),)
        try:
            url = parsers.url(given)
        except ValueError as error:
            return unset, (Problem("otlp", "otlp_endpoint", f"the variable {name} cannot be used because it {error}"),)
        return self._replace(otlp_endpoint=url if name == _EXACT else url + PATH), ()
