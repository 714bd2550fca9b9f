"""The words of our own banner; part of what was shown, so a change of them is another screen (R37)."""

from __future__ import annotations

from collections.abc import Mapping

#: By language: `title` and `introduction` stand first, then the buttons by their names, then what the rest is called.
BANNER_TEXTS: Mapping[str, dict[str, str]] = {
    "nb": {
        "title": "Du bestemmer",
        "introduction": (
            "Her kan du velge hva vi får bruke opplysninger om deg til. Du kan si nei til alt, og du kan når som "
            "helst ombestemme deg."
        ),
        "accept_all": "Godta alle",
        "refuse_all": "Avslå alle",
        "settings": "Velg selv",
        "save": "Lagre valgene",
        "close": "Lukk",
        "withdraw": "Trekk tilbake",
        "always_on": "Alltid på",
        "objection": "Du kan reservere deg",
        "by_confirmation": "Krever at du bekrefter på e-post",
        "recipients": "Mottakere",
        "cookies": "Informasjonskapsler",
        "retention": "Lagringstid",
        "contact": "Kontakt",
        "complaint": "Klage",
    },
    "nn": {
        "title": "Du bestemmer",
        "introduction": (
            "Her kan du velje kva vi får bruke opplysningar om deg til. Du kan seie nei til alt, og du kan når som "
            "helst ombestemme deg."
        ),
        "accept_all": "Godta alle",
        "refuse_all": "Avslå alle",
        "settings": "Vel sjølv",
        "save": "Lagre vala",
        "close": "Lukk",
        "withdraw": "Trekk tilbake",
        "always_on": "Alltid på",
        "objection": "Du kan reservere deg",
        "by_confirmation": "Krev at du stadfestar på e-post",
        "recipients": "Mottakarar",
        "cookies": "Informasjonskapslar",
        "retention": "Lagringstid",
        "contact": "Kontakt",
        "complaint": "Klage",
    },
    "en": {
        "title": "You decide",
        "introduction": (
            "Choose what we may use information about you for. You can say no to all of it, and you can change "
            "your mind at any time."
        ),
        "accept_all": "Accept all",
        "refuse_all": "Refuse all",
        "settings": "Let me choose",
        "save": "Save choices",
        "close": "Close",
        "withdraw": "Withdraw",
        "always_on": "Always on",
        "objection": "You can object",
        "by_confirmation": "Needs your confirmation by e-mail",
        "recipients": "Recipients",
        "cookies": "Cookies",
        "retention": "Kept for",
        "contact": "Contact",
        "complaint": "Complaints",
    },
}
