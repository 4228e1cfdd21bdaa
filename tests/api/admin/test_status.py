"""What the server says of itself."""

from dataclasses import dataclass

from segue.engine.sampling import SamplingParams
from segue.loop.front import SlotView
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live


def test_health(server: Live) -> None:
    for path in ("/health", "/v1/health"):
        assert server.http.get(path).json() == {"status": "ok"}
        assert server.http.head(path).status_code == 200


def test_models_name_the_one_model() -> None:
    with live(alias=["b", "a"]) as running:
        for path in ("/v1/models", "/models"):
            body = running.http.get(path).json()
            assert body["object"] == "list"
            (model,) = body["data"]
            assert (model["id"], model["aliases"], model["object"]) == ("a", ["b", "a"], "model")
            assert model["meta"]["n_ctx"] == 4096
            assert model["meta"]["n_vocab"] == 260
            assert model["meta"]["n_params"] == 1_000_000
            assert body["models"][0]["name"] == "a"


def test_a_model_by_its_name() -> None:
    with live(alias=["org/a", "b"]) as running:
        listed = running.http.get("/v1/models").json()["data"][0]
        for path in ("/v1/models/org/a", "/v1/models/b", "/models/b", "/v1/models/org%2Fa"):
            assert running.http.get(path).json() == listed
        response = running.http.get("/v1/models/gpt-4")
        assert response.status_code == 404
        error = response.json()["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", "model")
        assert error["code"] == "model_not_found"
        assert "gpt-4" in error["message"]
    with live(is_ready=False, alias=["a"]) as loading:
        assert loading.http.get("/v1/models/a").json()["meta"] is None


def test_a_model_without_alias_is_named_after_its_file() -> None:
    with live(model="/some/where/tiny-Q4.gguf") as running:
        assert running.http.get("/v1/models").json()["data"][0]["id"] == "tiny-Q4.gguf"


def test_props() -> None:
    with live(parallel=3, temperature=0.25, top_k=7, n_predict=99) as running:
        props = running.http.get("/props").json()
    assert props["total_slots"] == 3
    assert props["model_path"] == "/models/fake.gguf"
    assert props["default_generation_settings"]["n_ctx"] == 4096
    params = props["default_generation_settings"]["params"]
    assert (params["temperature"], params["top_k"], params["n_predict"]) == (0.25, 7, 99)
    assert "<|im_start|>" in props["chat_template"]
    assert (props["bos_token"], props["eos_token"]) == ("<s>", "</s>")
    assert props["modalities"] == {"vision": False, "video": False, "audio": False}


def test_slots(server: Live) -> None:
    slots = server.http.get("/slots?fail_on_no_slot=1").json()
    assert [slot["id"] for slot in slots] == [0, 1, 2, 3]
    assert slots[0]["is_processing"] is False
    assert slots[0]["next_token"] == [{"has_next_token": False, "n_remain": -1, "n_decoded": 0}]
    assert "params" not in slots[0]


@dataclass
class BusyLoop(FakeLoop):
    namespace: str = ""

    def slots(self) -> tuple[SlotView, ...]:
        return (
            SlotView(
                id=0,
                namespace=self.namespace,
                is_processing=True,
                id_task=5,
                n_ctx=4096,
                n_prompt_tokens=30,
                n_prompt_tokens_processed=10,
                n_prompt_tokens_cache=20,
                n_decoded=3,
                sampling=SamplingParams(top_k=7),
                n_remain=4,
            ),
        )


def test_a_busy_slot() -> None:
    with live(BusyLoop()) as running:
        (slot,) = running.http.get("/slots").json()
        assert (slot["id_task"], slot["n_prompt_tokens"], slot["n_prompt_tokens_cache"]) == (5, 30, 20)
        assert slot["next_token"] == [{"has_next_token": True, "n_remain": 4, "n_decoded": 3}]
        assert slot["params"]["top_k"] == 7
        response = running.http.get("/slots?fail_on_no_slot=1")
        assert response.status_code == 503
        assert response.json()["error"]["type"] == "unavailable_error"


def test_a_slot_that_is_busy_for_another_key_shows_no_counts() -> None:
    loop = BusyLoop()
    with live(loop, api_key=["one", "two"]) as running:
        loop.namespace = str(running.service.keys.namespace(b"one"))
        for key, expected in (("one", [5, 30, 10, 20, 3]), ("two", [-1, 0, 0, 0, 0])):
            (slot,) = running.http.get("/slots", headers={"x-api-key": key}).json()
            counts = [slot[f"n_prompt_tokens{part}"] for part in ("", "_processed", "_cache")]
            assert [slot["id_task"], *counts, slot["next_token"][0]["n_decoded"]] == expected
            assert ("params" in slot) == (key == "one")
            assert slot["is_processing"]


def test_slots_may_be_switched_off() -> None:
    with live(slots=False) as running:
        response = running.http.get("/slots")
    assert response.status_code == 501
    assert response.json()["error"]["type"] == "not_supported_error"


def test_explain_tells_numbers_and_no_text(server: Live) -> None:
    body = server.post("/completion", prompt="a secret", n_predict=3).json()
    response = server.http.get(f"/cache/explain/{body['cache']['id']}")
    explained = response.json()
    assert explained["timings"] == body["timings"]
    assert explained["reason"] == "limit"
    assert explained["report"] == {name: value for name, value in body["cache"].items() if name != "id"}
    assert "secret" not in response.text


def test_explain_knows_only_the_last_requests(server: Live) -> None:
    for wrong in ("99999", "-1", "x", "9" * 5000, "1.5", "٣"):
        response = server.http.get(f"/cache/explain/{wrong}")
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "not_found_error"


def test_streams_are_explained_too(server: Live) -> None:
    n_before = len(server.loop.ends)
    server.events("/v1/completions", prompt="x", n=2)
    for job_id in range(n_before, n_before + 2):
        assert server.http.get(f"/cache/explain/{job_id}").json()["id"] == job_id


def test_the_api_is_described(server: Live) -> None:
    paths = server.http.get("/openapi.json").json()["paths"]
    assert "/v1/chat/completions" in paths
    assert "/cache/explain/{job_id}" in paths


def test_there_are_no_adapters(server: Live) -> None:
    assert server.http.get("/lora-adapters").json() == []
    assert server.http.post("/lora-adapters", json=[]).json() == {"success": True}
    for body, status in (
        ('[{"id": 0, "scale": 1}]', 501),
        ('{"id": 0}', 400),
        ("[", 400),
        ("", 400),
        ("[" * 9999, 400),
    ):
        assert server.http.post("/lora-adapters", content=body).status_code == status


def test_properties_stay(server: Live) -> None:
    response = server.post("/props", chat_template="x")
    assert (response.status_code, response.json()["error"]["type"]) == (501, "not_supported_error")
    with live(props=True) as running:
        template = running.http.get("/props").json()["chat_template"]
        assert running.post("/props", chat_template="x").json() == {"success": True}
        props = running.http.get("/props").json()
    assert (props["chat_template"], props["endpoint_props"]) == (template, True)
