"""What a client can read and has already (RFC 9110)."""

from __future__ import annotations

import pytest

from consent_service.http.negotiation import ITEMS_MAX, choose_coding, has_already, read_languages
from tests.http.tables import rows

#: Accept-Language | the tags, the preferred first; - for none
LANGUAGES = """
nb                                   | nb
nb-NO,nb;q=0.9,en;q=0.8              | nb-NO nb en
en;q=0.5, nn;q=0.9 , nb;q=0.9        | nn nb en
en;q=0, nb                           | nb
*, nb;q=0.1                          | nb
nb;q=1.001, en                       | en
nb; q=0.2, en;q=0.3                  | en nb
nb;Q=0.2, en                         | en nb
nb;level=1, en                       | en
nørsk, en                            | en
, ,en,,                              | en
!!;;q=,=;,                           | -
"""


@pytest.mark.parametrize(("header", "tags"), rows(LANGUAGES, 2))
def test_languages_in_the_order_of_preference(header: str, tags: str) -> None:
    assert read_languages(header.encode()) == ([] if tags == "-" else tags.split())


def test_no_header_and_an_endless_one() -> None:
    assert read_languages(None) == []
    assert len(read_languages(b",".join([b"nb"] * 10_000))) == 20


#: Accept-Encoding | what is sent where there are br and gzip; - for plain
CODINGS = """
gzip                          | gzip
GZIP                          | gzip
br                            | br
gzip, deflate, br, zstd       | br
br;q=0.5, gzip                | gzip
br, gzip;q=0.5                | br
br;q=0.4, gzip;q=0.4          | br
br;q=0, gzip                  | gzip
br;q=0.000, *                 | gzip
br;q=0, gzip;q=0              | -
gzip;q=0.2, *;q=0.1           | gzip
*                             | br
*;q=0                         | -
gzip;q=0.5, identity          | -
gzip, identity;q=0.5          | gzip
gzip;q=0.5, identity;q=0.5    | gzip
identity                      | -
identity;q=0, gzip            | gzip
deflate                       | -
x-gzip                        | -
gzip;q=1.5                    | -
"""


@pytest.mark.parametrize(("header", "coding"), rows(CODINGS, 2))
def test_what_is_packed_is_sent_as_it_is_preferred(header: str, coding: str) -> None:
    assert choose_coding(header.encode(), ("br", "gzip")) == (None if coding == "-" else coding)
    assert choose_coding(None, ("br", "gzip")) is None


#: If-None-Match | does it hold the tag "a"?
TAGS = """
"a"           | yes
W/"a"         | yes
"b", "a"      | yes
"b",W/"a"     | yes
*             | yes
"A"           | no
a             | no
"b"           | no
"a-gzip"      | no
"b", *        | no
"""


@pytest.mark.parametrize(("header", "held"), rows(TAGS, 2))
def test_a_tag_is_compared_weakly(header: str, held: str) -> None:
    assert has_already(header.encode(), b'"a"') is (held == "yes")
    assert has_already(None, b'"a"') is False


@pytest.mark.parametrize(("others", "taken"), [(ITEMS_MAX - 1, True), (ITEMS_MAX, False)])
def test_no_more_is_read_than_any_client_sends(others: int, taken: bool) -> None:
    """A header as long as a head would take tens of milliseconds, which nobody else gets then."""
    header = b"," * others

    assert (choose_coding(header + b"gzip", ("gzip",)) is not None) is taken
    assert read_languages(header + b"nb") == (["nb"] if taken else [])
