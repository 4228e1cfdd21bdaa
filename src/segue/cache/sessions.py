"""Learns from the sessions that clients name."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from segue.cache.entries.namespaces import Namespaces
from segue.cache.tiers.owners import CellOwners
from segue.engine.base import Tokens
from segue.policy.sessions import N_ENDS, Sessions
from segue.prefix.match import deepest


class SessionTracker:
    """Follows the requests of each session. An empty name means no session. Belongs to the engine's thread."""

    def __init__(self, entries: Namespaces, owners: CellOwners) -> None:
        self._entries = entries
        self._owners = owners
        self._sessions = Sessions()

    def begin_request(self, namespace: str, session: str) -> None:
        """Record that a request of a session arrived: the entries that the session needs most count as used."""
        self._sessions.record_arrival((namespace, session), self._entries.clock())

    def end_request(self, namespace: str, session: str, tokens: Tokens) -> None:
        """Record that a request on this path ended: the entries that its session needs most count as used."""
        if session:
            match = self._entries.tree(namespace).match(tokens)
            ends = list(islice(deepest(match, len(tokens)), N_ENDS))
            if ends:
                self._sessions.record_end((namespace, session), ends, self._entries.clock())

    def record_boundaries(self, seq: int, namespace: str, session: str, boundaries: Sequence[int]) -> tuple[int, ...]:
        """Record the boundaries of the prompt that `seq` begins to read, and where it diverged from earlier ones.

        Returns the boundaries at which the next prompt is likely to leave this one. Learned from earlier divergences on
        this path, or else in this session.
        """
        visit, key = self._owners.running[seq].visit, (namespace, session)
        assert visit is not None, "only a request has a next prompt"
        known = visit.divergences
        if session and not known.seen:
            known = replace(known, seen=self._sessions.diverged(key))
        visit.divergences = known.then(visit.n_known, boundaries)
        if session and visit.divergences.seen:
            self._sessions.record_diverged(key, visit.divergences.seen)
        return visit.divergences.expected(boundaries)
