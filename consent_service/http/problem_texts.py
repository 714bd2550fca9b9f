"""What each problem means and what to do about it: the page behind its `type` (RFC 9457)."""

from __future__ import annotations

from consent_service.domain import errors
from consent_service.domain.errors import ConsentError

MEANING: dict[type[ConsentError], tuple[str, str]] = {
    errors.InvalidRequest: (
        (
            "The schema refuses the request: it is no JSON, a field has the wrong type or length, is unknown or "
            "named twice, or holds a NUL; or a query parameter or header has another form than it should. Or the "
            "request itself breaks HTTP/1.1, or has more than one reading there; then the connection is closed."
        ),
        "Correct the fields that `errors` names. `/schema` shows the form of every request.",
    ),
    errors.Unauthenticated: (
        (
            "There is no token, or it is not valid here: expired or issued too long ago, for another audience, from "
            "another issuer, or signed with a key that the issuer does not publish. Or it is an API key that is "
            "cut off, unknown, revoked or expired."
        ),
        "Send `Authorization: Bearer <token>` with a fresh token, or with an API key that is in force.",
    ),
    errors.InsufficientScope: (
        "The token is valid, but its `scope` does not hold what this call needs.",
        "Ask the issuer for a token with the scope that the answer names.",
    ),
    errors.UnknownController: (
        "The token's `controller` has no catalogue here, or is none that the token's issuer may speak for.",
        "Load the controller's catalogue, or ask for a token of a controller that is the issuer's and is here.",
    ),
    errors.ForeignOrigin: (
        (
            "A browser sent this from a page whose origin is not among the site's, or sent no `Origin` from another "
            "site's page."
        ),
        "Add the page's origin to the site's `origins` in the catalogue, exactly as browsers send it.",
    ),
    errors.NotFound: (
        "Nothing stands under this path for the token's controller.",
        "Check the ids and names in the path. What another controller has is not found either.",
    ),
    errors.MethodNotAllowed: (
        "The path exists, but not with this method.",
        "Use one of the methods in the `Allow` header.",
    ),
    errors.UnsupportedMediaType: (
        "The body is not announced as JSON in UTF-8, or it is compressed.",
        "Send `Content-Type: application/json` and the body as it is.",
    ),
    errors.TooLarge: ("The body is larger than 1 MiB.", "Split the request."),
    errors.HeadTooLarge: (
        "The request's line and header fields are larger than 64 KiB, or there are more than 100 fields.",
        "Send what the call needs; the connection is closed.",
    ),
    errors.TooSlow: (
        "The request's head took longer than 10 seconds, or its body longer than 30; nothing was recorded.",
        "Send the same again, in one go; the connection is closed.",
    ),
    errors.UnknownReference: (
        "The body names a purpose, a version or a subject that does not exist.",
        "Correct the fields that `errors` names.",
    ),
    errors.InvalidValue: (
        (
            "The request is well-formed, but a value is not acceptable: a time in the future, a code that the "
            "version does not offer, an e-mail address that is none."
        ),
        "Correct the fields that `errors` names.",
    ),
    errors.EvidenceRequired: (
        (
            "A grant by import, or on paper or phone where double opt-in is demanded, needs evidence; "
            "so does `invalidate`, which names an authority and its reference."
        ),
        "Send `evidence`, an object that tells where the proof is.",
    ),
    errors.NotWithdrawable: (
        "The purpose rests on a legal basis that knows no withdrawal, such as a contract.",
        "Where the purpose rests on legitimate interests, use `object`. Otherwise there is nothing to do.",
    ),
    errors.NotObjectable: (
        "Legitimate interests are not among the purpose's legal bases.",
        "Where the purpose rests on consent, use `withdraw`. Otherwise there is nothing to do.",
    ),
    errors.NotConsentBased: (
        "The purpose does not rest on consent, so nothing can be granted, requested or confirmed.",
        "Ask for the permission instead: it says whether and why the purpose may be pursued.",
    ),
    errors.NoLegalBasis: (
        "The controller has decided no legal basis for this purpose, so it is never allowed.",
        "Publish a version with a legal basis. Refusing and withdrawing are recorded all the same.",
    ),
    errors.MustBeMaterial: (
        "The new version changes a legal basis, or adds a recipient, a data category or a transfer.",
        "Publish it with `change: material`; standing consents then have to be asked for again.",
    ),
    errors.IdempotencyKeyReuse: (
        "The `Idempotency-Key`, or a browser's `choice_id`, belongs to an earlier request that said something else.",
        "Make a new key for every request, and a new id for every choice, that is not a repetition.",
    ),
    errors.Erased: (
        "The person was erased; nothing more is recorded about them, and nothing is known.",
        "Drop the id. A person who comes back gets a new one; a browser makes a new visitor id.",
    ),
    errors.NoLongerKept: (
        (
            "The event id to resume from is older than what Kafka keeps, or of a topic that was deleted or made "
            "anew since, or of another controller's."
        ),
        "Read all pages of `/v1/states`, then follow `/v1/changes` from the `resume` that they name.",
    ),
    errors.VersionMismatch: (
        "Somebody published a version after the one that `If-Match` names.",
        "Read the purpose again, and decide anew.",
    ),
    errors.NotPossibleNow: (
        "The command makes no sense in the present status.",
        "`possible` lists the commands that would be recorded now.",
    ),
    errors.VersionOvertaken: (
        "A material change has overtaken the version that the person was shown.",
        "Show the text of `current_version`, and ask again.",
    ),
    errors.ConfirmationNeeded: (
        "The purpose demands double opt-in: this consent counts only once the person has confirmed it.",
        "Use the command in `possible`: `request` first, then `confirm`.",
    ),
    errors.PurposeRetired: (
        "The purpose is retired: nothing new is accepted. Withdrawing, refusing and objecting still are.",
        "Stop asking for it.",
    ),
    errors.ConflictingIdentifiers: (
        "The identifiers belong to two different persons.",
        "Name one person, by its id or by identifiers of its own.",
    ),
    errors.IdentifierTaken: (
        "The identifier belongs to another person.",
        (
            "Remove it there first, if it is there by mistake. Where it is a `visitor`, somebody else has used this "
            "browser: let it make a new visitor id, and link that one."
        ),
    ),
    errors.TooManyRequests: (
        "More requests came than the limit allows that `violated-policies` names; nothing was recorded.",
        "Wait as many seconds as `Retry-After` says, then send the same again.",
    ),
    errors.Overloaded: (
        "Too much is waiting; nothing was recorded.",
        "Try again after `Retry-After` seconds, with the same `Idempotency-Key`.",
    ),
    errors.Unavailable: (
        (
            "The database, the keys that verify tokens, or what the stream is read from, Kafka, cannot be reached; "
            "nothing was recorded."
        ),
        "Try again after `Retry-After` seconds, with the same `Idempotency-Key`.",
    ),
    ConsentError: (
        "The service failed. What a request asked for may or may not have been recorded.",
        "Try again with the same `Idempotency-Key`. Tell the operator the answer's `X-Request-Id`.",
    ),
}
