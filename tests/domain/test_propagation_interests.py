"""Who owes an acknowledgement where consent has come to govern what rested on interests (R34)."""

from __future__ import annotations

from tests.builders import a_purpose
from tests.domain.test_propagation import lines, tell, version


def test_R34_who_came_while_interests_governed_has_to_stop_when_consent_governs() -> None:
    purpose = a_purpose(
        version(1, "a", legal_bases="legitimate_interests"),
        version(2, "a", "b", change="material", legal_bases="legitimate_interests"),
        version(3, "a", change="material"),
    )
    story = lines(
        """
        1 prefer -> -
        310 refuse v3 -> a b
        """
    )

    assert tell(story, purpose) == story
