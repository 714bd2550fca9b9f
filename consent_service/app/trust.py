"""Which issuers the settings believe: the file of several, or the one that three settings name."""

from __future__ import annotations

from pathlib import Path

from consent_service.http.issuers import Trust
from consent_service.http.issuers_file import read_age, read_issuers
from consent_service.settings import Settings, SettingsError
from consent_service.usecases.strict_reading import FileFaults


def trusts_from(settings: Settings) -> tuple[Trust, ...]:
    """At least one. Raises SettingsError with everything that is wrong, in the file too."""
    token_age_max_s = _age_max_s(settings)
    if settings.issuers is None:
        if settings.jwks is None:
            raise SettingsError(
                "CONSENT_JWKS: is needed: the path or URL of the keys that verify tokens "
                "(or CONSENT_ISSUERS, a file that names several issuers)"
            )
        one = Trust(
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            jwks=settings.jwks,
            token_age_max_s=token_age_max_s,
        )
        return (one,)
    try:
        return read_issuers(
            Path(settings.issuers), audience=settings.token_audience, token_age_max_s=token_age_max_s
        )
    except FileFaults as error:
        raise SettingsError(
            "\n".join(f"CONSENT_ISSUERS: {line}" for line in str(error).splitlines())
        ) from error


def _age_max_s(settings: Settings) -> float | None:
    if settings.token_age_max is None:
        return None
    try:
        return read_age(settings.token_age_max)
    except ValueError:
        raise SettingsError(
            "CONSENT_TOKEN_AGE_MAX: must be an ISO 8601 duration such as PT1H, without months and years"
        ) from None
