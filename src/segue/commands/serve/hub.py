"""Finds the models of `--hf-repo`, `--model-url` and the like: in llama-server's caches, or on Hugging Face."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from segue.commands.serve.errors import StartError
from segue.settings import Settings

_CACHES = (
    ("LLAMA_CACHE", ""),
    ("HF_HUB_CACHE", ""),
    ("HUGGINGFACE_HUB_CACHE", ""),
    ("HF_HOME", "hub"),
    ("XDG_CACHE_HOME", "huggingface/hub"),
    ("HOME", ".cache/huggingface/hub"),
)
_FOLDER = "models--"
_PREFERRED = ("Q4_K_M", "Q8_0")
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
_NO_MODEL = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")


def find_model(settings: Settings, environment: Mapping[str, str] = os.environ) -> str:
    """The path of the model to serve, downloaded if need be, or an empty text. Raises StartError."""
    if settings.model and (not settings.hf_repo or Path(settings.model).exists()):
        return settings.model
    if settings.hf_repo:
        return str(_from_repo("--hf-repo", settings.hf_repo, settings.hf_file, settings, environment))
    return str(_from_url(settings.model_url, environment)) if settings.model_url else ""


def find_draft_model(settings: Settings, environment: Mapping[str, str] = os.environ) -> str:
    """The path of the model that is to draft, downloaded if need be, or an empty text. Raises StartError."""
    if not (settings.hf_repo_draft and settings.has_drafts) or Path(settings.model_draft).is_file():
        return settings.model_draft
    return str(_from_repo("--hf-repo-draft", settings.hf_repo_draft, "", settings, environment))


def cached_models(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The models in the cache of Hugging Face's repositories, as `--hf-repo` names them with a file each."""
    found = []
    for folder in sorted(_cache(environment).glob(f"{_FOLDER}*")):
        repo = folder.name.removeprefix(_FOLDER).replace("--", "/")
        found += [f"{repo} {name}" for name in sorted(_files(folder)) if _is_first(name)]
    return found


def choose_file(names: Iterable[str], quant: str) -> str | None:
    """The file of a repository that llama-server would load: of this quantisation, or by default Q4_K_M or Q8_0."""
    models = [name for name in sorted(names) if _is_first(name)]
    for wanted in (quant,) if quant else _PREFERRED:
        pattern = re.compile(re.escape(wanted) + "[.-]", re.IGNORECASE)
        for name in models:
            if pattern.search(name):
                return name
    return models[0] if models and not quant else None


def _from_repo(flag: str, named: str, file: str, settings: Settings, environment: Mapping[str, str]) -> Path:
    repo, _, quant = named.partition(":")
    if repo.count("/") != 1:
        raise StartError(f"{flag}: {repo!r} is not USER/MODEL or USER/MODEL:QUANT")
    cached = _files(_cache(environment) / (_FOLDER + repo.replace("/", "--")))
    name = file if file in cached else None if file else choose_file(cached, quant)
    if name is not None and all(part in cached for part in _parts(name)):
        return cached[name]
    if settings.offline:
        raise StartError(f"{flag}: {named} is not in {_cache(environment)}; leave out --offline")
    try:
        return _downloaded(repo, file, quant, settings.hf_token or None, _cache(environment))
    except StartError as error:
        raise StartError(f"{flag}: {error}") from error


def _downloaded(repo: str, file: str, quant: str, token: str | None, cache: Path) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise StartError(f"{repo} is not in {cache}; pip install 'segue[hub]' lets Segue download it") from error
    try:
        names = [file] if file else huggingface_hub.HfApi(token=token).list_repo_files(repo)
        name = file or choose_file(names, quant)
        if name is None:
            raise StartError(f"{repo} has no GGUF file{f' of {quant}' if quant else ''}; see its list of files")
        paths = [huggingface_hub.hf_hub_download(repo, part, cache_dir=cache, token=token) for part in _parts(name)]
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        raise StartError(f"cannot download {repo}: {' '.join(str(error).split())}") from error
    return Path(paths[0])


def _from_url(url: str, environment: Mapping[str, str]) -> Path:
    name = url.partition("#")[0].partition("?")[0].rpartition("/")[2]
    old = Path(environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "")) / ".cache") / "llama.cpp"
    for folder in (_cache(environment), old):
        if name and (folder / name).is_file():
            return folder / name
    raise StartError(f"--model-url: {name} is not in {old}; download it, and pass the file with -m")


def _cache(environment: Mapping[str, str]) -> Path:
    found = ((environment.get(variable), folder) for variable, folder in _CACHES)
    return next((Path(base) / folder for base, folder in found if base), Path(".cache"))


def _files(repo: Path) -> dict[str, Path]:
    """The files of a cached repository by their name there; of several snapshots the newest counts."""
    snapshots = sorted((repo / "snapshots").glob("*"), key=lambda path: path.stat().st_mtime)
    return {
        path.relative_to(snapshot).as_posix(): path
        for snapshot in snapshots
        for path in snapshot.rglob("*.gguf")
        if path.is_file()
    }


def _is_first(name: str) -> bool:
    split = _SPLIT.search(name)
    is_model = name.endswith(".gguf") and not any(part in name.rpartition("/")[2] for part in _NO_MODEL)
    return is_model and (split is None or int(split[1]) == 1)


def _parts(name: str) -> Sequence[str]:
    split = _SPLIT.search(name)
    if split is None:
        return [name]
    n_parts = int(split[2])
    return [f"{name[: split.start()]}-{i:05}-of-{n_parts:05}.gguf" for i in range(1, n_parts + 1)]
