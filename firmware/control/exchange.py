"""Send one command and wait for the van's own answer to it.

Knows the order of things: hear the van, send, believe only an answer signed by that van to that command. Refuses to
know how commands are made and what is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware.control.fleet import Fleet, Sight
from firmware.control.place import place_of
from firmware.control.session import Received, Session, Unavailable
from firmware.control.unseal import UnsealError
from firmware.messages import Answer, Command
from firmware.topics import COMMAND_EXPIRY_S, topic

POLL_S = 0.2


class NoAnswer(Exception):
    """Nothing that can be believed came in time. The van may or may not have done it: ask for its state."""


class Exchange:
    """One van, as long as one command takes.

    Args:
        session: subscribed to the van's ``state`` and ``rsp/+``.
        fleet: whom to believe.
        van: the van.
        clock: monotonic seconds.

    Attributes:
        disbelieved: answers that were not believed.
    """

    def __init__(self, session: Session, fleet: Fleet, van: str, clock: Callable[[], float]) -> None:
        self.disbelieved = 0
        self._session = session
        self._fleet = fleet
        self._van = van
        self._clock = clock

    def hear_van(self, timeout_s: float) -> Sight:
        """The van's newest state, as soon as there is one.

        Raises:
            Unavailable: the broker could not be reached.
            NoAnswer: no signed state came in time.
        """
        give_up_s = self._clock() + timeout_s
        while self._clock() < give_up_s:
            message = self._session.next(POLL_S)
            if message is not None:
                self._hear(message)
            sight = self._fleet.vans[self._van]
            if self._session.ready and sight.state is not None:
                return sight
        if not self._session.ready:
            raise Unavailable(self._session.reason)
        hinted = "; somebody, unsigned, says that it is offline" if self._fleet.vans[self._van].hinted else ""
        raise NoAnswer(f"no signed state of van '{self._van}' within {timeout_s:g} s{hinted}")

    def send(self, command: Command, envelope: bytes, tail: str, timeout_s: float) -> Answer:
        """Publish a command once, on ``cmd/{tail}``, and wait for its answer.

        Raises:
            Unavailable: the broker could not be reached, or does not let us send this.
            NoAnswer: no answer of the van came in time.
        """
        self._session.publish(topic(command.van, "cmd", tail), envelope, COMMAND_EXPIRY_S)
        give_up_s = self._clock() + timeout_s
        while self._clock() < give_up_s:
            message = self._session.next(POLL_S)
            answer = self._answer(message, command.id) if message is not None else None
            if answer is not None:
                return answer
            if self._session.refused_publishing:
                raise Unavailable(f"the broker refuses the command: {self._session.refused_publishing}")
        others = f"; {self.disbelieved} that were not the van's" if self.disbelieved else ""
        why = "it is away, or it was silent because it does not believe these signatures: key, role or number"
        raise NoAnswer(f"no answer of van '{self._van}' within {timeout_s:g} s{others}: {why}")

    def _hear(self, message: Received) -> None:
        place = place_of(message.topic)
        if place is None or (place.van, place.channel) != (self._van, "state"):
            return
        try:
            self._fleet.hear_state(self._van, message.payload, retained=message.retained, now_s=self._clock())
        except UnsealError:
            self._fleet.disbelieve(self._van)

    def _answer(self, message: Received, command_id: str) -> Answer | None:
        place = place_of(message.topic)
        if place is None or (place.van, place.channel, place.tail) != (self._van, "rsp", command_id):
            self._hear(message)
            return None
        try:
            return self._fleet.unsealer.answer(self._van, command_id, message.payload)
        except UnsealError:
            self.disbelieved += 1
            return None
