"""Who issued a certificate, as the bytes of the certificate say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.http.issuer_name import issuer_name

KEY = ec.generate_private_key(ec.SECP256R1())
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def certificate(*issuer):
    """A certificate in DER, by the attributes of its issuer."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.com")])
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(x509.Name(issuer)).public_key(KEY.public_key())
    )
    builder = builder.serial_number(1).not_valid_before(BEGIN).not_valid_after(BEGIN + timedelta(days=9000))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def attribute(kind, text, form=None):
    return x509.NameAttribute(kind, text, _type=form)


WHOLE = certificate(attribute(NameOID.COMMON_NAME, "Acme"))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16))
def test_the_common_name_is_read_whatever_its_letters(name):
    around = attribute(NameOID.ORGANIZATION_NAME, "Acme"), attribute(NameOID.COUNTRY_NAME, "DE")
    assert issuer_name(certificate(*around, attribute(NameOID.COMMON_NAME, name))) == name


@pytest.mark.parametrize(
    "form", [_ASN1Type.UTF8String, _ASN1Type.PrintableString, _ASN1Type.IA5String, _ASN1Type.BMPString]
)
def test_the_common_name_is_read_in_every_type_of_text(form):
    assert issuer_name(certificate(attribute(NameOID.COMMON_NAME, "Acme Inspection CA", form))) == "Acme Inspection CA"


def test_an_issuer_without_a_common_name_has_none():
    assert issuer_name(certificate(attribute(NameOID.ORGANIZATION_NAME, "Acme"))) is None


@given(st.dictionaries(st.integers(0, 100), st.integers(0, 255), max_size=4), st.integers(0, len(WHOLE)))
def test_a_certificate_that_is_cut_off_or_changed_raises_nothing_but_a_value_error(changes, length):
    changed = bytearray(WHOLE)
    for at, byte in changes.items():
        changed[at] = byte
    try:
        name = issuer_name(bytes(changed[:length]))
    except ValueError:
        return
    assert name is None or isinstance(name, str)


@given(st.binary(max_size=200))
def test_what_is_no_certificate_raises_nothing_but_a_value_error(content):
    try:
        assert issuer_name(content) is None
    except ValueError:
        return
