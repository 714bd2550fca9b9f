"""Whether Kafka is there, said once when it is not, and once when it is again."""

from __future__ import annotations

from collections.abc import Callable

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError

#: Nobody answers at Kafka's address, or not in time.
UNREACHABLE = (
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    OSError,
    TimeoutError,
)


class Reach:
    """Of one Kafka, at this address."""

    def __init__(self, say: Callable[[str], None], address: str) -> None:
        self._say = say
        self._address = address
        self._is_away = False

    def away(self, error: BaseException) -> None:
        if not self._is_away:
            self._is_away = True
            self._say(
                f"Kafka cannot be reached at {self._address} ({type(error).__name__}); it is tried again"
            )

    def there(self) -> None:
        if self._is_away:
            self._is_away = False
            self._say(f"Kafka is reached again at {self._address}")
