"""What a page of a site sends, with marks in it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from consent_service.http.examples import C15T_ID, SITE
from consent_service.http.site_examples import C15T_SAVE
from tests.endtoend.broken import broken
from tests.endtoend.marked_stage import Stage
from tests.http.sites import ORIGIN


async def in_a_browser(stage: Stage) -> None:
    """What a page of the site calls, well and badly."""
    site, value = f"/site/v1/{SITE}", stage.marks.value.value
    browser = {"origin": ORIGIN, "consent_visitor": stage.marks.browser.value}
    choice = {"choice_id": "c" * 22, "language": "en", "screen_hash": "0" * 64, "layer": "banner"}
    body = {**choice, "choices": {"newsletter": "refused"}}
    for name, path in (("readNotice", f"{site}/notice"), ("readConsents", f"{site}/consents")):
        assert (await stage.ask(name, "GET", path, None, **browser)).status_code == 200
        await stage.ask(name, "GET", f"{path}?more={quote(value)}", None, **browser)
        await stage.ask(name, "GET", f"{path}/{quote(value)}", None, **browser)
    content = json.dumps(body).encode()
    answer = await stage.ask("chooseConsents", "POST", f"{site}/consents", content, **browser)
    assert answer.status_code == 201, answer.text
    for wrong in ({"origin": f"https://{value}"}, {"consent_visitor": value}):
        await stage.ask("chooseConsents", "POST", f"{site}/consents", content, **{**browser, **wrong})
    for one in broken(body, value):
        await stage.ask("chooseConsents", "POST", f"{site}/consents", one, **browser)
    await with_c15t(stage, f"{site}/c15t", value, browser)


async def with_c15t(stage: Stage, path: str, value: str, browser: dict[str, str]) -> None:
    """What its client calls; whom it says that the visitor is stays nowhere."""
    body = {**C15T_SAVE, "preferences": {"marketing": False, value: True}, "externalSubjectId": value}
    saved = {**body, "metadata": {"by": value}, "uiSource": value, "policySnapshotToken": value}
    subject = f"{path}/subjects/{C15T_ID}"
    asked: list[tuple[str, str, str, Any]] = [
        ("c15tInit", "GET", f"{path}/init", None),
        ("c15tSave", "POST", f"{path}/subjects", saved),
        ("c15tRead", "GET", subject, None),
        ("c15tClaim", "PATCH", subject, {"externalId": "user_1", "identityProvider": value}),
    ]
    for name, method, address, one in asked:
        content = None if one is None else json.dumps(one).encode()
        answer = await stage.ask(name, method, address, content, **browser)
        assert answer.status_code < 300, answer.text
        wrong = {**browser, "origin": f"https://{value}"}
        assert (await stage.ask(name, method, address, content, **wrong)).status_code == 403
        for other in [] if one is None else broken(one, value):
            await stage.ask(name, method, address, other, **browser)
    await stage.ask("c15tRead", "GET", f"{path}/subjects/{quote(value)}", None, **browser)
