"""The page at /."""

import re

from tests.kit.live import live


def test_its_links_lead_to_endpoints() -> None:
    with live(api_prefix="/llm", api_key=["k"]) as server:
        response = server.http.get("/llm/")
        assert response.status_code == 200
        assert response.text.startswith("<!doctype html>")
        links = re.findall('href="([^"]+)"', response.text)
        assert len(links) == 4
        for link in links:
            assert server.http.get(link, headers={"Authorization": "Bearer k"}).status_code == 200, link


def test_it_can_be_switched_off() -> None:
    with live(ui=False) as server:
        assert server.http.get("/").status_code == 404
        assert server.http.head("/").status_code == 200
