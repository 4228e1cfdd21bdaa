"""Healthy requests between the odd ones: they are answered as ever, and one key's holder never meets another's."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from tests.fuzz.patience import within

_N_NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Holder:
    """An API key, and a text that only its holder ever sends."""

    key: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class Probe:
    """Asks a server on behalf of two holders of keys. Raises AssertionError for whatever is wrong.

    In `n_found` of `n_checks` a prompt was known to who had sent it: it could have been known to the other.
    """

    def __init__(self, url: str, holders: tuple[Holder, Holder], bound_s: float) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=None)
        self._bound_s = bound_s
        self._holders = holders
        self._replies: dict[str, str] = {}
        self.n_checks = self.n_found = 0

    async def check(self) -> None:
        """Ask everything once. Raises TimeoutError if that takes too long."""
        await within(self._bound_s, self._check())

    async def _check(self) -> None:
        for holder in self._holders:
            await self._check_reply(holder)
        one, other = self._holders
        await self._check_cache(one, other)
        await self._check_responses(other, one)
        health = await self._http.get("/health")
        assert (health.status_code, health.json()) == (200, {"status": "ok"})

    async def idle(self) -> bool:
        """Whether all slots are idle."""
        slots = await self._http.get("/slots", headers=self._holders[0].headers)
        return not any(slot["is_processing"] for slot in slots.json())

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def _check_reply(self, holder: Holder) -> None:
        """The greedy reply to a prompt of the holder's own is the one from the first time."""
        messages = [{"role": "user", "content": f"{holder.secret}: what is it?"}]
        body = {"messages": messages, "max_tokens": 8, "temperature": 0, "ignore_eos": True}
        reply = await self._asked(holder, "/v1/chat/completions", body)
        said = str(reply["choices"][0]["message"])
        assert self._replies.setdefault(holder.key, said) == said, "the reply is not the one from before"

    async def _check_cache(self, one: Holder, other: Holder) -> None:
        """What one has sent is known to him, and not to the other."""
        nonce = secrets.token_hex(_N_NONCE_BYTES // 2)
        body = {"prompt": f"{nonce} {one.secret}", "n_predict": 1, "temperature": 0}
        n_cached: dict[str, list[int]] = {one.key: [], other.key: []}
        for holder in (one, one, other):
            reply = await self._asked(holder, "/completion", body)
            n_cached[holder.key].append(reply["timings"]["cache_n"])
            explained = await self._http.get(f"/cache/explain/{reply['cache']['id']}", headers=holder.headers)
            stranger = other if holder is one else one
            refused = await self._http.get(f"/cache/explain/{reply['cache']['id']}", headers=stranger.headers)
            assert (explained.status_code, refused.status_code) == (200, 404)
        # Random texts have a few characters in common with others of before.
        first, second = n_cached[one.key]
        assert first < _N_NONCE_BYTES, "a prompt that was never sent was cached"
        assert n_cached[other.key][0] < _N_NONCE_BYTES, "another key's prompt was cached"
        # Requests of the same key may erase what a slot served last, and so many others may leave it no room.
        self.n_checks += 1
        self.n_found += second >= _N_NONCE_BYTES

    async def _check_responses(self, one: Holder, other: Holder) -> None:
        """What one has stored is there for him, and not for the other."""
        asked = {"input": one.secret, "max_output_tokens": 1}
        response = await self._asked(one, "/v1/responses", asked)
        at, item = f"/v1/responses/{response['id']}", {"type": "item_reference", "id": response["output"][0]["id"]}
        tries = [
            await self._http.get(at, headers=other.headers),
            await self._http.delete(at, headers=other.headers),
            await self._posted(other, "/v1/responses", {**asked, "previous_response_id": response["id"]}),
            await self._posted(other, "/v1/responses", {**asked, "input": [item]}),
        ]
        assert [one.status_code for one in tries] == [404, 404, 400, 404]
        assert not any(one.secret in tried.text for tried in tries)
        assert (await self._http.delete(at, headers=one.headers)).status_code == 200

    async def _asked(self, holder: Holder, path: str, body: dict[str, object]) -> dict[str, Any]:
        response = await self._posted(holder, path, body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def _posted(self, holder: Holder, path: str, body: dict[str, object]) -> httpx.Response:
        return await self._http.post(path, json=body, headers=holder.headers)
