"""A webinar publisher that takes an episode private when its guest says no.

    KAFKA=127.0.0.1:9092 python webinar_publisher.py episodes.db

An episode with several guests is taken from all of them if it goes private, so a person decides: it raises a task,
and says `accepted` with the time by which somebody will have seen to it. What others have saved, cut or published
again it does not reach.

The file has the tables `guests (subject_id, video_id)`, filled where a guest signs up, and
`tasks (record_id, subject_id, video_id, done, primary key (record_id, video_id))`: who sets `done` to 1 settles it.
"""

import asyncio
import logging
import os
import sqlite3
import sys
from datetime import timedelta
from uuid import UUID

from consent_client import clock
from consent_client.errors import ConsentError
from consent_client.model import Change
from consent_client.recipient import Accepted, Recipient
from consent_client.words import Outcome

WITHIN = timedelta(days=2)
LOOK_S = 1.0


class WebinarPublisher(Recipient):
    slug = "youtube"
    purposes = ("hr-hub-gjester",)

    def __init__(self, file: str) -> None:
        self.episodes = sqlite3.connect(file, isolation_level=None)

    async def stop(self, change: Change) -> Outcome | Accepted:
        guest, record = str(change.subject_id), str(change.record_id)
        videos = self.episodes.execute("select video_id from guests where subject_id = ?", [guest]).fetchall()
        if not videos:
            return Outcome.NOT_HELD
        shared = [(record, guest, video) for (video,) in videos if self._guests(video) > 1]
        for (video,) in videos:
            if self._guests(video) == 1:
                await self.make_private(video)
        if not shared:
            return Outcome.STOPPED
        self.episodes.executemany("insert or ignore into tasks values (?, ?, ?, 0)", shared)
        return Accepted(clock.now() + WITHIN)

    async def make_private(self, video: str) -> None:
        """Ask YouTube for the video's whole status and send it back as private: what is left out would be reset."""
        print(f"PUT /youtube/v3/videos?part=status {video} private", file=sys.stderr, flush=True)

    async def settle_tasks(self) -> None:
        """Tell the service of each record whose tasks are all done; it bears being told twice."""
        done = "select record_id, subject_id from tasks group by 1, 2 having min(done) = 1"
        while True:
            await asyncio.sleep(LOOK_S)
            for record, guest in self.episodes.execute(done).fetchall():
                try:
                    await self.acknowledge(UUID(record), UUID(guest), Outcome.STOPPED)
                except ConsentError:
                    continue
                self.episodes.execute("delete from tasks where record_id = ?", [record])

    def _guests(self, video: str) -> int:
        [count] = self.episodes.execute("select count(*) from guests where video_id = ?", [video]).fetchone()
        return int(count)


async def main(file: str) -> None:
    publisher = WebinarPublisher(file)
    settling = asyncio.create_task(publisher.settle_tasks())
    try:
        await publisher.run(
            kafka=os.environ["KAFKA"],
            controller="assessio",
            prefix=os.environ.get("PREFIX", "consent"),
            store=f"{file}.recipient",
        )
    finally:
        settling.cancel()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not all(os.environ.get(name) for name in ("KAFKA",)):
        sys.exit(__doc__)
    logging.basicConfig(level=logging.INFO)
    # That Kafka is away consent_client says once; aiokafka would say it several times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(main(sys.argv[1]))
