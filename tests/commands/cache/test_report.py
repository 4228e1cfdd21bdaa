import json

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.report import as_json
from tests.commands.cache.making import DAY_S, IDS, NEW, NOW, OLD


def test_all_that_the_table_shows(contents: DirectoryContents) -> None:
    report = json.loads(as_json(contents, {IDS[6]: "text"}))
    assert report["models"] == {"aaaaaaaa-1": NEW, "aaaaaaaa-2": OLD}
    assert (report["used_bytes"], report["n_files"]) == (contents.used_bytes, 9)
    assert [entry["id"] for entry in report["checkpoints"]] == [IDS[number] for number in (2, 1, 6, 3, 4, 5)]
    assert [entry.get("preview") for entry in report["checkpoints"]] == [None, None, "text", None, None, None]
    assert report["checkpoints"][2] == {
        "id": IDS[6],
        "n_tokens": 20,
        "origin": "message_end",
        "n_bytes": contents.find([IDS[6]])[0].row.n_bytes,
        "created": NOW - 6 * DAY_S,
        "last_used": NOW - 5 * DAY_S,
        "n_hits": 0,
        "is_pinned": False,
        "model": "aaaaaaaa-2",
        "preview": "text",
    }
