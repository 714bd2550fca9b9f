"""A catalogue file: YAML text to entries, strictly, every fault told with its line and field (CORE 15)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry, SiteEntry
from consent_service.domain.catalogue_checks import check_controller, check_purpose
from consent_service.domain.errors import ConsentError
from consent_service.domain.site_checks import check_site
from consent_service.usecases.strict_reading import FileFaults, Place, locate, read_strictly
from consent_service.usecases.strict_yaml import Fault

_CHECKS: dict[type, Callable[[Any], list[ConsentError]]] = {
    ControllerEntry: check_controller,
    SiteEntry: check_site,
    PurposeEntry: check_purpose,
}


class CatalogueFaults(FileFaults):
    """Every fault of a catalogue file."""


class CatalogueFile(msgspec.Struct, frozen=True):
    """What a file says, and where it says so: `places` by JSON pointer from the file's root."""

    name: str
    entries: CatalogueEntries
    places: dict[str, Place]

    def fault(self, refusal: ConsentError) -> Fault:
        """A refusal whose pointer starts at the file's root, as a fault of this file."""
        place = locate(self.places, refusal.pointer or "")
        return Fault(place.line, place.path, refusal.detail)


def read_catalogue(text: str | bytes, name: str) -> CatalogueFile:
    """Read a file's text. Raises CatalogueFaults with everything that is wrong at once."""
    try:
        entries, places = read_strictly(text, name, CatalogueEntries, _CHECKS)
    except FileFaults as error:
        raise CatalogueFaults(name, error.faults) from None
    return CatalogueFile(name, entries, places)
