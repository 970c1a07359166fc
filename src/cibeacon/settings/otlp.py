"""The options for traces over OTLP. The standard variables of OpenTelemetry complete them.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from cibeacon.model import parsers
from cibeacon.model.request import Endpoint
from cibeacon.settings.options import Origin, Problem, Requirements, option

PATH = "/v1/traces"
_ENV = "env"
_EXACT, _BASE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_SHORTEST = 8
"""Characters that a header's value needs to be masked: a short one, such as a tenant's number, is in ordinary text."""


def _address(given: str) -> str:
    """The URL to send traces to, or `env`."""
    if given.lower() == _ENV:
        return _ENV
    return parsers.url(given).removesuffix(PATH) + PATH


def _headers(given: str) -> str:
    """Headers as `name=value,name=value`; values may be percent-encoded."""
    for pair in filter(None, map(str.strip, given.split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise ValueError("is not a list of headers such as api-key=VALUE,x-tenant=VALUE")
        if not unquote(value).isascii() or not unquote(value).isprintable():
            raise ValueError("contains a character that is not allowed in a header; percent-encode it")
    return given


def _pairs(given: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _secrets(given: str) -> tuple[str, ...]:
    """Each header's value: as written, as sent, and without an authentication scheme in front."""
    written = [pair.partition("=")[2].strip() for pair in given.split(",")]
    sent = list(map(unquote, written))
    return tuple(text for text in (*written, *sent, *(each.split(" ")[-1] for each in sent)) if len(text) >= _SHORTEST)


class Otlp(NamedTuple):
    """OpenTelemetry (OTLP)"""

    otlp_endpoint: str | None = option(
        _address,
        None,
        "URL of an OTLP receiver, such as https://otel.example.com:4318; cibeacon appends /v1/traces. Turns traces on. Use "
        "env to read it from OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT.",
    )
    otlp_headers: str | None = option(
        _headers,
        None,
        "Headers that the OTLP receiver requires, such as api-key=VALUE,x-tenant=VALUE. Values may be percent-encoded.",
        secret=True,
        secrets=_secrets,
        shared=True,
        also=_HEADERS,
    )

    @property
    def requirements(self) -> Requirements:
        """The settings that are needed before anything can be sent."""
        lacks = "no OTLP receiver is configured: set otlp_endpoint"
        return Requirements(("otlp_endpoint",), lacks, {"otlp_endpoint": lacks}, address="otlp_endpoint")

    @property
    def endpoint(self) -> Endpoint:
        """The URL and headers for traces. The form is the path."""
        parts, headers = urlsplit(self.otlp_endpoint or ""), self.otlp_headers or ""
        base_url = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        return Endpoint(base_url, headers, parts.path or "/", headers=_pairs(headers), open=not headers)

    def completed(self, environ: Mapping[str, str], origins: Mapping[str, Origin]) -> tuple[Self, tuple[Problem, ...]]:
        """Reads the URL from OpenTelemetry's variables if `otlp_endpoint` is `env`.

        Headers in these variables are meant for the receiver in these variables: no other receiver gets them.
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
