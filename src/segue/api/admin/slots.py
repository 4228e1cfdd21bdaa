"""POST /slots/{id}: saves a slot's path with all its checkpoints to a file, restores it, or erases it."""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from segue.api.intake.body import JsonRoute
from segue.api.intake.requests import SlotRequest
from segue.api.replies.serialization import JsonObject
from segue.cache.snapshot import SlotSnapshot, SnapshotError
from segue.serving.errors import SERVER, UNAVAILABLE, ApiError, invalid, not_supported
from segue.serving.service import Service
from segue.storage import blobfile
from segue.storage.codec import Bytes
from segue.storage.errors import DamagedError, DiskError, disk_error

log = logging.getLogger(__name__)

_NAME = re.compile(r"[^/\\\x00-\x1f]+")
_MOST_NAME_BYTES = 230
"""File systems take 255; the namespace lengthens the file's own name, and so does writing it."""
_FLAG = "--slot-save-path"
_N_NAMESPACE = 16
_OF_A_KEY = re.compile(rf"[0-9a-f]{{{_N_NAMESPACE}}}-.*", re.IGNORECASE)
_POLL_S = 0.005
_FETCH_S = 60.0


class _SlotRoute(JsonRoute):
    """Accepts requests without a body: clients send none where llama-server reads none."""

    takes_none = True


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=_SlotRoute)
    # Two at once under one name would write into each other's file.
    saving = asyncio.Lock()

    @routes.post("/slots/{id_slot}", response_model=None)
    async def slot_action(
        http: Request, id_slot: str, request: SlotRequest | None = None, action: str = ""
    ) -> Response:
        """Save, restore or erase what a slot served last."""
        number = _slot(service, id_slot)
        namespace = http.state.namespace
        if action == "erase":
            n_erased = await asyncio.wrap_future(service.backend.loop.erase_slot(number, namespace))
            return JSONResponse({"id_slot": number, "n_erased": n_erased})
        if action not in ("save", "restore"):
            raise invalid("Query 'action' must be save, restore or erase")
        name = None if request is None else request.filename
        path = _path(service, name, namespace)
        started = time.perf_counter()
        async with saving if action == "save" else contextlib.nullcontext():
            done = await (_save if action == "save" else _restore)(service, number, namespace, path)
        elapsed_ms = 1000 * (time.perf_counter() - started)
        return JSONResponse({"id_slot": number, "filename": name, **done, "timings": {f"{action}_ms": elapsed_ms}})

    return routes


async def _save(service: Service, id_slot: int, namespace: str, path: Path) -> JsonObject:
    snapshot = await _packed(service, id_slot, namespace)
    try:
        n_written = await run_in_threadpool(blobfile.write, path.parent, path.name, snapshot.arrays(), _FLAG)
    except DiskError as error:
        raise ApiError(SERVER, f"The slot could not be saved: {_reason(error, path)}") from error
    return {"n_saved": len(snapshot.tokens), "n_written": n_written}


async def _packed(service: Service, id_slot: int, namespace: str) -> SlotSnapshot:
    """The slot's path, once everything that can be fetched from the disk is in memory."""
    give_up = time.monotonic() + _FETCH_S
    while time.monotonic() < give_up:
        try:
            snapshot = await asyncio.wrap_future(service.backend.loop.save_slot(id_slot, namespace))
        except SnapshotError as error:
            raise ApiError(UNAVAILABLE, f"The slot could not be saved: {error}") from error
        if snapshot is not None:
            return snapshot
        await asyncio.sleep(_POLL_S)
    raise ApiError(UNAVAILABLE, "The slot's state could not be fetched from the disk in time")


async def _restore(service: Service, id_slot: int, namespace: str, path: Path) -> JsonObject:
    try:
        arrays, n_read = await run_in_threadpool(_read, path)
        restored = service.backend.loop.restore_slot(id_slot, namespace, arrays)
        n_restored: int = await asyncio.wrap_future(restored)
    except SnapshotError as error:
        raise invalid(f"The slot cannot be restored: {error}") from error
    except DamagedError as error:
        raise invalid(f"The slot cannot be restored: {_reason(error, path)}") from error
    except DiskError as error:
        raise ApiError(SERVER, f"The slot cannot be restored: {_reason(error, path)}") from error
    return {"n_restored": n_restored, "n_read": n_read}


def _read(path: Path) -> tuple[Sequence[Bytes], int]:
    """The arrays of a slot's file, and the bytes that it takes."""
    arrays = blobfile.read(path, _FLAG)
    try:
        return arrays, path.stat().st_size
    except OSError as error:
        raise disk_error(f"cannot read {path}", error, _FLAG) from error


def _reason(error: DiskError, path: Path) -> str:
    """The part of an error that a client may see: the log alone names the folder, and nothing the client's file."""
    log.warning("%s", str(error).replace(path.name, "a slot's file"))
    return error.reason or "the server's log says why"


def _slot(service: Service, id_slot: str) -> int:
    if not (id_slot.isascii() and id_slot.isdigit() and len(id_slot) < 9):
        raise invalid("Invalid slot ID")
    if int(id_slot) >= service.settings.parallel:
        raise invalid(f"There is no slot {id_slot}; they are numbered from 0 to {service.settings.parallel - 1}")
    return int(id_slot)


def _path(service: Service, name: str | None, namespace: str) -> Path:
    """The file of a name. A key's files are hidden from other keys, and where keys are shared or not asked for."""
    folder = service.settings.slot_save_path
    if folder is None:
        raise not_supported(f"This server does not save slots. Start it with {_FLAG}")
    if name is None:
        raise invalid('The body is empty or names no file: send {"filename": "..."}')
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise invalid("Invalid filename: it must be a plain name, without a folder and without a dot in front")
    if len(name.encode()) > _MOST_NAME_BYTES:
        raise invalid(f"Invalid filename: it has more than {_MOST_NAME_BYTES} bytes")
    if not namespace and _OF_A_KEY.match(name):
        raise invalid(f"Invalid filename: {_N_NAMESPACE} hex digits and a dash in front mark the file of an API key")
    return folder / (f"{namespace[:_N_NAMESPACE]}-{name}" if namespace else name)
