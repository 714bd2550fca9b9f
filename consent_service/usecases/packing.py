"""Contents that are sent over and over: packed once, in each way that browsers take."""

from __future__ import annotations

import gzip
from hashlib import sha256

import brotli
import msgspec

#: Packs as fast as gzip does, and smaller.
QUICK = 5
#: The smallest there is: 30 KB take a twentieth of a second, a megabyte two.
SMALLEST = 11


class Packed(msgspec.Struct, frozen=True):
    """A content plain, in each coding by its name in HTTP, the preferred first, and a digest that changes with it."""

    body: bytes
    codings: dict[str, bytes]
    digest: str


def pack(body: bytes, *, quality: int = QUICK, gzipped: bytes | None = None) -> Packed:
    """`quality` is brotli's; `gzipped` is the content packed already, where it is at hand. The same content gives the
    same bytes.
    """
    codings = {
        "br": brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality),
        "gzip": gzip.compress(body, mtime=0) if gzipped is None else gzipped,
    }
    return Packed(body, codings, sha256(body).hexdigest()[:32])
