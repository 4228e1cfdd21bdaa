"""All endpoints below a prefix."""

import pytest

from tests.kit.live import live


@pytest.mark.parametrize("prefix", ["/llm", "/llm/"])
def test_endpoints_lie_below_the_prefix_and_nowhere_else(prefix: str) -> None:
    with live(api_prefix=prefix, api_key="sesame") as running:
        assert running.http.get("/llm/health").json() == {"status": "ok"}
        assert running.http.head("/llm").status_code == 200
        assert running.http.get("/llm/v1/models", headers={"authorization": "Bearer sesame"}).status_code == 200
        assert running.http.get("/llm/v1/models").status_code == 401
        for path in ("/health", "/v1/models", "/llmhealth", "/"):
            response = running.http.get(path)
            assert response.status_code == 404
            assert response.json()["error"]["message"] == "Not Found: all paths of this server begin with /llm"
