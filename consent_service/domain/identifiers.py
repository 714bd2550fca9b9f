"""What a person is known by: an identifier's normal form and the hash it is found under (R19, CORE 13).

The one place that decides when two spellings are the same identifier. A refusal never repeats the value.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

import idna
import msgspec

from consent_service.domain.encoding import HASH_BYTES, KEY_BYTES, hkdf
from consent_service.domain.errors import InvalidValue
from consent_service.domain.values import IdentifierType

#: As given, before anything is dropped; nothing that anybody uses comes near it.
VALUE_CHARACTERS_MAX = 1000
EMAIL_BYTES_MAX = 254
EMAIL_LOCAL_BYTES_MAX = 64
EXTERNAL_CHARACTERS_MAX = 256

#: What stands around and inside identifiers that were copied from a page: blanks, no-break and thin ones too.
_BLANKS = " \t\r\n\u00a0\u2009\u202f"
_DASHES = "-\u2010\u2011\u2012\u2013\u2014"
_BRACKETS = "()[]"
_PHONE_DROPPED = str.maketrans("", "", _BLANKS + _DASHES + _BRACKETS)

_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
#: The ASCII characters that a browser's own e-mail field takes before the @.
_EMAIL_LOCAL_ASCII = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]*")
#: Letters and marks that nothing is drawn for: those of Unicode's Default_Ignorable_Code_Point that count as
#: printable (joiners and variation selectors, fillers of Hangul and Khmer), and the blank of Braille.
_UNDRAWN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_EXTERNAL_TYPE = re.compile(r"external:[a-z0-9-]{1,40}")
_CONTROL_OR_SURROGATE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_VISITOR = re.compile(r"[A-Za-z0-9_-]{22,64}")


class Identifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identifier as a caller writes it; the types: `email`, `phone`, `visitor`, `external:<system>`."""

    type: str
    value: str


def normalise(identifier_type: str, value: str, *, pointer: str = "") -> str:
    """The normal form: what is hashed, sealed and compared; it is its own normal form (CORE 13).

    Raises InvalidValue for an unknown type or an unacceptable value, naming `/type` or `/value` below
    `pointer`, which leads to the identifier (RFC 6901). Neither the refusal nor its cause holds the value.
    """
    normal_form = _NORMAL_FORMS.get(identifier_type)
    if normal_form is None:
        if _EXTERNAL_TYPE.fullmatch(identifier_type) is None:
            raise InvalidValue(
                "A type is email, phone, visitor or external:<system>, that with 1 to 40 of a-z, 0-9 and -.",
                pointer=f"{pointer}/type",
            )
        normal_form = _external
    if len(value) > VALUE_CHARACTERS_MAX:
        raise InvalidValue(
            f"An identifier has at most {VALUE_CHARACTERS_MAX} characters.", pointer=f"{pointer}/value"
        )
    return normal_form(value, f"{pointer}/value")


def check_together(identifier_types: Sequence[str], *, pointer: str = "/identifiers") -> None:
    """Raises InvalidValue if a visitor does not stand alone: it links to nothing by itself (R19, CORE 13).

    Two visitors are refused like a visitor beside another type, since they too would become one person.
    """
    if len(identifier_types) > 1 and IdentifierType.VISITOR in identifier_types:
        raise InvalidValue(
            "A visitor stands alone here; POST /v1/subjects/{subject_id}/identifiers links it to a person.",
            pointer=pointer,
        )


def lookup_key(master: bytes, controller: str) -> bytes:
    """The 32-byte key of one controller's look-up hashes; two controllers' hashes never match (R19, CORE 13).

    Raises ValueError where the master key is shorter than 32 bytes.
    """
    if len(master) < KEY_BYTES:
        raise ValueError(f"a master key has at least {KEY_BYTES} bytes")
    return hkdf(master, b"", b"consent-lookup:1\0" + controller.encode(), HASH_BYTES)


def lookup_hash(key: bytes, identifier_type: str, normal_form: str) -> bytes:
    """The 32 bytes that an identifier is found under: a `lookup_key` over type and normal form."""
    return hmac.digest(key, f"{identifier_type}\0{normal_form}".encode(), "sha256")


def _email(value: str, pointer: str) -> str:
    """Trimmed, all of it in lower case, NFC, the domain in IDNA's ASCII form; no dot or plus folding."""
    # NFC comes last: lower case can leave a letter and its mark apart that NFC writes as one.
    address = unicodedata.normalize("NFC", value.strip(_BLANKS).lower())
    if address.count("@") != 1:
        raise InvalidValue("An e-mail address has exactly one @.", pointer=pointer)
    local, _, domain = address.partition("@")
    _check_email_local(local, pointer)
    ascii_domain = _ascii_domain(domain)
    if ascii_domain is None:
        raise InvalidValue(
            "The part after the @ is a domain name: labels of letters, digits and hyphens, joined by dots.",
            pointer=pointer,
        )
    normal_form = f"{local}@{ascii_domain}"
    if len(normal_form.encode()) > EMAIL_BYTES_MAX:
        raise InvalidValue(f"An e-mail address has at most {EMAIL_BYTES_MAX} bytes.", pointer=pointer)
    return normal_form


def _check_email_local(local: str, pointer: str) -> None:
    # Blanks, controls, surrogates and what cannot be seen: addresses that look alike would be two persons.
    if " " in local or not local.isprintable() or _UNDRAWN.search(local) is not None:
        raise InvalidValue("An e-mail address holds no blanks and no invisible characters.", pointer=pointer)
    if not 1 <= len(local.encode()) <= EMAIL_LOCAL_BYTES_MAX:
        raise InvalidValue(
            f"The part before the @ of an e-mail address has 1 to {EMAIL_LOCAL_BYTES_MAX} bytes.",
            pointer=pointer,
        )
    if _EMAIL_LOCAL_ASCII.fullmatch("".join(filter(str.isascii, local))) is None:
        raise InvalidValue(
            "The part before the @ holds a character that would need quotes; quotes are not taken.",
            pointer=pointer,
        )


@lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str | None:
    """A-labels in lower case (UTS 46, non-transitional), or null where it is no domain name mail goes to."""
    try:
        name = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError:
        return None
    labels = name.split(".")
    # A last label of digits is an IPv4 address, an empty one the root's dot.
    if len(labels) < 2 or not labels[-1] or labels[-1].isdigit():
        return None
    return name


def _phone(value: str, pointer: str) -> str:
    """E.164 with its `+`; blanks, dashes and brackets are how people write it."""
    number = value.translate(_PHONE_DROPPED)
    if _PHONE.fullmatch(number) is None:
        raise InvalidValue(
            "A phone number is written internationally: + and 8 to 15 digits, country code first.",
            pointer=pointer,
        )
    return number


def _visitor(value: str, pointer: str) -> str:
    if _VISITOR.fullmatch(value) is None:
        raise InvalidValue("A visitor is 22 to 64 of A-Z, a-z, 0-9, - and _.", pointer=pointer)
    return value


def _external(value: str, pointer: str) -> str:
    """Exactly as the other system writes it."""
    if not 1 <= len(value) <= EXTERNAL_CHARACTERS_MAX or _CONTROL_OR_SURROGATE.search(value) is not None:
        raise InvalidValue(
            f"An external identifier has 1 to {EXTERNAL_CHARACTERS_MAX} characters, no control characters.",
            pointer=pointer,
        )
    return value


_NORMAL_FORMS: dict[str, Callable[[str, str], str]] = {
    IdentifierType.EMAIL: _email,
    IdentifierType.PHONE: _phone,
    IdentifierType.VISITOR: _visitor,
}
