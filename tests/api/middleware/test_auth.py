"""API keys and the namespaces that they open."""

from pathlib import Path

import httpx
import pytest

from segue.commands.serve.errors import StartError
from segue.commands.serve.start import make_service
from segue.serving.keys import KeyRing
from segue.settings import Settings
from tests.kit.live import live


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_no_keys_open_the_server_to_all() -> None:
    assert KeyRing([], is_shared=False).namespace(b"anything") == ""


def test_each_key_is_a_namespace_of_its_own_and_not_told() -> None:
    ring = KeyRing(["one", "two"], is_shared=False)
    namespaces = {ring.namespace(b"one"), ring.namespace(b"two")}
    assert len(namespaces) == 2
    assert all(namespace and len(namespace) == 32 and "one" not in namespace for namespace in namespaces)
    assert ring.namespace(b"three") is None
    assert ring.namespace(b"") is None


def test_shared_keys_have_one_namespace() -> None:
    ring = KeyRing(["one", "two"], is_shared=True)
    assert ring.namespace(b"one") == ring.namespace(b"two") == ""
    assert ring.namespace(b"three") is None


def test_which_requests_need_a_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# comment\n\n  third \n")
    with live(api_key=["first,second", "schlüssel"], api_key_file=file) as running:

        def status(path: str, headers: dict[str, str] | None = None) -> int:
            raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
            return running.http.get(path, headers=httpx.Headers(raw)).status_code

        for path in ("/health", "/v1/health"):
            assert status(path) == 200
        for path in ("/props", "/slots", "/models", "/v1/models", "/cache/explain/1", "/no/such", "/openapi.json"):
            assert status(path) == 401
            assert status(path, bearer("wrong")) == 401
        for key in ("first", "second", "third", "schlüssel"):
            assert status("/props", bearer(key)) == 200
            for scheme in ("bearer", "BEARER", "Bearer ", "bEaReR"):
                assert status("/props", {"authorization": f"{scheme} {key}"}) == 200
            assert status("/props", {"authorization": key}) == 200
            assert status("/props", {"x-api-key": key}) == 200
        assert status("/props", {"x-api-key": "first", "authorization": "Bearer wrong"}) == 401
        for wrong in ("Basic first", "Bearer", "Bearerfirst", "bearer bearer first"):
            assert status("/props", {"authorization": wrong}) == 401
        error = running.http.get("/props").json()["error"]
        assert error == {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}
        assert running.http.options("/props").status_code == 200


def test_prompts_are_not_shared_across_keys() -> None:
    with live(api_key=["a", "b"]) as running:

        def ask(key: str) -> tuple[int, int]:
            response = running.http.post("/v1/completions", json={"prompt": "secret"}, headers=bearer(key))
            return response.json()["usage"]["prompt_tokens_details"]["cached_tokens"], response.json()["cache"]["id"]

        assert ask("a")[0] == 0
        assert ask("b")[0] == 0
        n_cached, job_id = ask("a")
        assert n_cached == 7
        assert running.http.get(f"/cache/explain/{job_id}", headers=bearer("a")).status_code == 200
        assert running.http.get(f"/cache/explain/{job_id}", headers=bearer("b")).status_code == 404


def test_prompts_are_shared_if_the_operator_says_so() -> None:
    with live(api_key=["a", "b"], cache_share_keys=True) as running:
        for key in "ab":
            response = running.http.post("/v1/completions", json={"prompt": "secret"}, headers=bearer(key))
        assert response.json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 7


def test_a_key_file_that_would_open_the_server_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# nothing\n")
    with pytest.raises(StartError, match="no key"):
        make_service(Settings(api_key_file=file))
    with pytest.raises(StartError, match="cannot read"):
        make_service(Settings(api_key_file=tmp_path / "none"))
