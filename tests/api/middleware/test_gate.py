"""While the model loads, and when it cannot be loaded."""

from segue.commands.serve.start import make_backend
from tests.kit.byte_vocabulary import ByteVocabulary
from tests.kit.live import FakeBuilt, FakeModel, live


def test_almost_everything_waits_for_the_model() -> None:
    with live(is_ready=False, alias=["tiny"]) as running:
        running.service.progress = 0.25
        for method, path in (("POST", "/v1/chat/completions"), ("GET", "/props"), ("GET", "/slots"), ("GET", "/nope")):
            response = running.http.request(method, path)
            assert response.status_code == 503
            assert response.json() == {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
        health = running.http.get("/health")
        assert health.status_code == 503
        assert health.json()["error"] == {
            "code": 503,
            "message": "Loading model",
            "type": "unavailable_error",
            "progress": 0.25,
        }
        model = running.http.get("/v1/models").json()["data"][0]
        assert (model["id"], model["meta"]) == ("tiny", None)

        built = FakeBuilt(running.loop, ByteVocabulary(), FakeModel())
        running.service.attach(make_backend(built, running.service.settings))
        assert running.http.get("/health").json() == {"status": "ok"}
        assert running.post("/v1/completions", prompt="x").status_code == 200


def test_a_model_that_cannot_be_loaded() -> None:
    with live(is_ready=False) as running:
        running.service.fail("the file is torn")
        for path in ("/health", "/props"):
            response = running.http.get(path)
            assert response.status_code == 503
            assert response.json()["error"]["message"] == "The model could not be loaded"
