"""POST /slots/{id} as llama-server answers it."""

import errno
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from segue.api.admin import slots
from segue.cache.snapshot import SnapshotError
from segue.serving.service import Service
from segue.storage import blobfile
from segue.storage.errors import DamagedError
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import live
from tests.kit.waiting import wait_until


def test_a_slot_is_saved_restored_and_erased(tmp_path: Path) -> None:
    with live(slot_save_path=tmp_path) as server:
        saved = server.post("/slots/1?action=save", filename="talk.bin")
        assert saved.status_code == 200, saved.text
        body = saved.json()
        assert body["timings"].pop("save_ms") >= 0
        n_written = (tmp_path / "talk.bin").stat().st_size
        assert body == {"id_slot": 1, "filename": "talk.bin", "n_saved": 3, "n_written": n_written, "timings": {}}
        restored = server.post("/slots/1?action=restore", filename="talk.bin").json()
        assert restored["timings"].pop("restore_ms") >= 0
        assert restored == {"id_slot": 1, "filename": "talk.bin", "n_restored": 3, "n_read": n_written, "timings": {}}
        assert server.post("/slots/1?action=erase").json() == {"id_slot": 1, "n_erased": 7}


def test_erase_needs_no_body_and_the_others_say_what_theirs_is(tmp_path: Path) -> None:
    with live(slot_save_path=tmp_path) as server:
        assert server.http.post("/slots/1?action=erase").json() == {"id_slot": 1, "n_erased": 7}
        assert server.http.post("/slots/1?action=erase", content="{").status_code == 400
        for action in ("save", "restore"):
            answer = server.http.post(f"/slots/1?action={action}")
            assert answer.status_code == 400
            assert answer.json()["error"]["message"].endswith('send {"filename": "..."}')
        assert "'action'" in server.http.post("/slots/1").json()["error"]["message"]


@pytest.mark.parametrize(
    "name", ["../talk.bin", "/etc/passwd", "", ".", "..", ".hidden", "a\\b", "x" * 231, "é" * 116, None]
)
def test_only_plain_names_are_taken(tmp_path: Path, name: str | None) -> None:
    with live(slot_save_path=tmp_path / "slots") as server:
        for action in ("save", "restore"):
            answer = server.post(f"/slots/0?action={action}", filename=name)
            assert answer.status_code == 400
            assert "filename" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["x" * 230, "é" * 115])
def test_long_names_are_taken(tmp_path: Path, name: str) -> None:
    with live(slot_save_path=tmp_path, api_key=["one"]) as server:
        server.http.headers["x-api-key"] = "one"
        for action in ("save", "restore"):
            assert server.post(f"/slots/0?action={action}", filename=name).status_code == 200


def test_what_one_key_has_saved_is_not_there_for_another(tmp_path: Path) -> None:
    with live(slot_save_path=tmp_path, api_key=["one", "two"]) as server:
        server.http.headers["x-api-key"] = "one"
        assert server.post("/slots/0?action=save", filename="talk").json()["filename"] == "talk"
        server.http.headers["x-api-key"] = "two"
        assert server.post("/slots/0?action=restore", filename="talk").status_code == 400
        assert server.post("/slots/0?action=save", filename="talk").status_code == 200
        assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("settings", [{}, {"api_key": ["two"], "cache_share_keys": True}])
def test_what_a_key_has_saved_cannot_be_named_where_keys_are_not_kept_apart(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with live(slot_save_path=tmp_path, api_key=["one"]) as server:
        server.http.headers["x-api-key"] = "one"
        assert server.post("/slots/0?action=save", filename="talk").status_code == 200
        (file,) = tmp_path.iterdir()
    saved = file.read_bytes()
    with live(slot_save_path=tmp_path, **settings) as server:
        server.http.headers["x-api-key"] = "two"
        # Some file systems do not tell small letters from capital ones.
        for name in (file.name, file.name.upper()):
            for action in ("save", "restore"):
                answer = server.post(f"/slots/0?action={action}", filename=name)
                assert answer.status_code == 400
                assert "filename" in answer.json()["error"]["message"]
        assert server.post("/slots/0?action=save", filename="0123456789abcde-talk").status_code == 200
    assert file.read_bytes() == saved


def test_saves_under_one_name_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, running = blobfile.write, threading.Semaphore(1)
    find_path, arrived = slots._path, []

    def note_arrival(service: Service, name: str | None, namespace: str) -> Path:
        arrived.append(name)
        return find_path(service, name, namespace)

    def write_alone(*arguments: Any) -> int:
        assert running.acquire(blocking=False), "two at once"
        wait_until(lambda: len(arrived) == 4, "the other requests")
        running.release()
        return write(*arguments)

    monkeypatch.setattr(slots, "_path", note_arrival)
    monkeypatch.setattr("segue.api.admin.slots.blobfile.write", write_alone)
    with live(slot_save_path=tmp_path) as server, ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: server.post("/slots/0?action=save", filename="one"), range(4))
        assert [answer.status_code for answer in answers] == [200] * 4


def test_what_cannot_be_restored_says_why(tmp_path: Path) -> None:
    with live(slot_save_path=tmp_path) as server:
        server.post("/slots/0?action=save", filename="good.bin")
        data = bytearray((tmp_path / "good.bin").read_bytes())
        data[-40] ^= 1
        (tmp_path / "altered.bin").write_bytes(data)
        (tmp_path / "foreign.bin").write_bytes(b"not at all")
        for name in ("altered.bin", "foreign.bin", "missing.bin"):
            answer = server.post("/slots/0?action=restore", filename=name)
            assert answer.status_code == 400
            assert "cannot be restored" in answer.json()["error"]["message"]


def fail_to_sync(*_: object) -> None:
    """What a disk does that is about to die."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_no_answer_names_a_path_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "slots"
    folder.mkdir()
    with live(slot_save_path=folder, api_key=["k"]) as server:
        server.http.headers["x-api-key"] = "k"

        def error(action: str, name: str) -> str:
            answer = server.post(f"/slots/0?action={action}", filename=name)
            assert answer.status_code in (400, 500)
            assert str(folder) not in answer.text
            assert str(folder) in caplog.text
            assert f"-{name}" not in caplog.text, "a name may say what a prompt is about"
            caplog.clear()
            return str(answer.json()["error"]["message"])

        assert server.post("/slots/0?action=save", filename="good").status_code == 200
        (file,) = folder.iterdir()
        prefix = file.name.removesuffix("good")
        (folder / f"{prefix}copy").write_bytes(file.read_bytes())
        (folder / f"{prefix}torn").write_bytes(file.read_bytes()[:-9])
        (folder / f"{prefix}folder").mkdir()
        assert error("restore", "none") == "The slot cannot be restored: the file is missing"
        assert error("restore", "copy") == "The slot cannot be restored: it was written under another name"
        assert error("restore", "torn").startswith("The slot cannot be restored: it has ")
        assert error("restore", "folder") == "The slot cannot be restored: Is a directory"
        assert error("save", "folder").startswith("The slot could not be saved: ")
        monkeypatch.setattr("segue.storage.blobfile._sync", fail_to_sync)
        assert error("save", "good") == "The slot could not be saved: Input/output error"
        folder.rename(tmp_path / "elsewhere")
        assert error("save", "good") == "The slot could not be saved: No such file or directory"


@pytest.mark.parametrize(
    ("action", "error", "status"),
    [
        ("save", SnapshotError("all of it is far"), 503),
        ("restore", DamagedError("/srv/it is damaged", "its arrays are others"), 400),
    ],
)
def test_what_the_loop_says_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, error: Exception, status: int
) -> None:
    def fail(*_: object) -> "Future[Any]":
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return failed

    with live(slot_save_path=tmp_path) as server:
        server.post("/slots/0?action=save", filename="talk")
        saved = (tmp_path / "talk").read_bytes()
        monkeypatch.setattr(FakeLoop, f"{action}_slot", fail)
        answer = server.post(f"/slots/0?action={action}", filename="talk")
        assert answer.status_code == status
        message = answer.json()["error"]["message"]
        assert str(error).rsplit(": ", maxsplit=1)[-1] in message
        assert "/srv" not in message
        assert (tmp_path / "talk").read_bytes() == saved


def test_a_slot_that_is_not_there(tmp_path: Path) -> None:
    with live(slot_save_path=tmp_path) as server:
        for number in ("99", "-1", "one"):
            assert server.post(f"/slots/{number}?action=erase").status_code == 400
        assert server.post("/slots/0?action=copy", filename="a").status_code == 400
        assert server.post("/slots/0", filename="a").status_code == 400


def test_without_a_folder_nothing_is_saved() -> None:
    with live() as server:
        answer = server.post("/slots/0?action=save", filename="a.bin")
        assert answer.status_code == 501
        assert answer.json()["error"]["type"] == "not_supported_error"


def test_a_folder_that_is_not_there_is_an_error_and_no_crash(tmp_path: Path) -> None:
    with live(slot_save_path=tmp_path / "none") as server:
        answer = server.post("/slots/0?action=save", filename="a.bin")
        assert answer.status_code == 500
        assert "could not be saved" in answer.json()["error"]["message"]


def test_a_folder_that_became_a_file_is_told_of_by_its_flag(tmp_path: Path) -> None:
    folder = tmp_path / "slots"
    folder.touch()
    with live(slot_save_path=folder) as server:
        for action in ("save", "restore"):
            message = server.post(f"/slots/0?action={action}", filename="a.bin").json()["error"]["message"]
            assert message.endswith("that is not a directory; use another --slot-save-path")
