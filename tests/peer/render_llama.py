"""Renders conversations as llama-server does; runs where xllamacpp is installed, and needs nothing of Segue's.

Run: python render_llama.py < {"model": PATH, "templates": {NAME: SOURCE}, "rows": {NAME: BODY}}
It writes {TEMPLATE: {ROW: PROMPT}}, null for a request that llama-server refuses.
"""

import json
import sys
import urllib.error
import urllib.request
from typing import Any

import xllamacpp

_N_CTX = 512


def _prompt(url: str, body: object) -> object:
    request = urllib.request.Request(
        f"{url}/apply-template", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)["prompt"]
    except urllib.error.HTTPError:
        return None


def _rendered(model: str, source: str, rows: dict[str, Any], *, use_jinja: bool) -> dict[str, object]:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.chat_template = source
    params.use_jinja = use_jinja
    params.n_ctx, params.n_parallel, params.port = _N_CTX, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    # What llama-server's command line sets, and this wheel does not.
    params.default_template_kwargs = {"preserve_reasoning": "true"}
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        return dict.fromkeys(rows)
    return {name: _prompt(server.listening_address, body) for name, body in rows.items()}


def main() -> None:
    asked = json.load(sys.stdin)
    use_jinja = asked.get("use_jinja", True)
    json.dump(
        {
            name: _rendered(asked["model"], source, asked["rows"], use_jinja=use_jinja)
            for name, source in asked["templates"].items()
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
