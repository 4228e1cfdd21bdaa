"""Models that are named by their repository on Hugging Face, or by an address."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from segue.commands.serve.errors import StartError
from segue.commands.serve.hub import cached_models, choose_file, find_draft_model, find_model
from segue.settings import Settings

FILES = (
    "README.md",
    "imatrix.gguf",
    "mmproj-Q8_0.gguf",
    "tiny-BF16-00001-of-00002.gguf",
    "tiny-BF16-00002-of-00002.gguf",
    "tiny-Q4_K_M.gguf",
    "tiny-Q8_0.gguf",
    "tiny-UD-Q4_K_XL.gguf",
)


def write(cache: Path, repo: str, *names: str, snapshot: str = "0") -> Path:
    folder = cache / f"models--{repo.replace('/', '--')}" / "snapshots" / snapshot
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def find(cache: Path, **settings: Any) -> Path:
    return Path(find_model(Settings(**settings), {"LLAMA_CACHE": str(cache)}))


@pytest.mark.parametrize(
    ("quant", "name"),
    [
        ("", "tiny-Q4_K_M.gguf"),
        ("q8_0", "tiny-Q8_0.gguf"),
        ("UD-Q4_K_XL", "tiny-UD-Q4_K_XL.gguf"),
        ("BF16", "tiny-BF16-00001-of-00002.gguf"),
        ("Q2_K", None),
    ],
)
def test_the_file_that_llama_server_would_take(quant: str, name: str | None) -> None:
    assert choose_file(FILES, quant) == name


def test_other_files_are_taken_where_there_is_no_usual_one() -> None:
    assert choose_file(("b-IQ2_M.gguf", "a-IQ3_XS.gguf", "mmproj-a.gguf"), "") == "a-IQ3_XS.gguf"
    assert choose_file(("mmproj-a.gguf",), "") is None


def test_a_cached_file_is_taken_without_the_network(tmp_path: Path) -> None:
    folder = write(tmp_path, "user/tiny", *FILES)
    assert find(tmp_path, hf_repo="user/tiny") == folder / "tiny-Q4_K_M.gguf"
    assert find(tmp_path, hf_repo="user/tiny:Q8_0", offline=True) == folder / "tiny-Q8_0.gguf"
    assert find(tmp_path, hf_repo="user/tiny", hf_file="tiny-UD-Q4_K_XL.gguf") == folder / "tiny-UD-Q4_K_XL.gguf"
    names = ("tiny-BF16-00001-of-00002.gguf", "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf", "tiny-UD-Q4_K_XL.gguf")
    assert cached_models({"LLAMA_CACHE": str(tmp_path)}) == [f"user/tiny {name}" for name in names]


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"HF_HUB_CACHE": "{}/a", "HOME": "{}/b"}, "a"),
        ({"HF_HOME": "{}/a", "HOME": "{}/b"}, "a/hub"),
        ({"HOME": "{}/b"}, "b/.cache/huggingface/hub"),
    ],
)
def test_caches_lie_where_llama_server_s_do(variables: dict[str, str], folder: str, tmp_path: Path) -> None:
    found = write(tmp_path / folder, "user/tiny", "tiny-Q8_0.gguf") / "tiny-Q8_0.gguf"
    environment = {name: value.format(tmp_path) for name, value in variables.items()}
    assert find_model(Settings(hf_repo="user/tiny"), environment) == str(found)


def test_a_model_of_its_own_comes_first(tmp_path: Path) -> None:
    model = tmp_path / "own.gguf"
    model.touch()
    write(tmp_path, "user/tiny", "tiny-Q8_0.gguf")
    assert find(tmp_path, model=str(model), hf_repo="user/tiny") == model
    assert find_model(Settings(model="gone.gguf"), {}) == "gone.gguf"
    assert find_model(Settings(), {}) == ""


def test_a_draft_model_is_found_as_the_model_is(tmp_path: Path) -> None:
    folder = write(tmp_path, "user/small", *FILES)

    def draft(**settings: Any) -> str:
        return find_draft_model(Settings(hf_repo="user/large", **settings), {"LLAMA_CACHE": str(tmp_path)})

    assert draft(hf_repo_draft="user/small") == str(folder / "tiny-Q4_K_M.gguf")
    assert draft(hf_repo_draft="user/small:Q8_0", model_draft="gone.gguf") == str(folder / "tiny-Q8_0.gguf")
    own = str(folder / "tiny-Q8_0.gguf")
    assert draft(hf_repo_draft="user/small", model_draft=own) == own
    assert draft(hf_repo_draft="user/other", spec_type=["none"]) == ""
    assert draft() == ""
    with pytest.raises(StartError, match=r"^--hf-repo-draft: user/none is not in .*; leave out --offline"):
        draft(hf_repo_draft="user/none", offline=True)


def test_what_cannot_be_found_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    write(tmp_path, "user/split", "tiny-BF16-00001-of-00002.gguf")
    for settings, part in (
        ({"hf_repo": "tiny"}, "'tiny' is not USER/MODEL"),
        ({"hf_repo": "user/none"}, "pip install 'segue[hub]'"),
        ({"hf_repo": "user/split"}, "pip install 'segue[hub]'"),
        ({"hf_repo": "user/none:Q8_0", "offline": True}, "leave out --offline"),
        ({"model_url": "https://x.example/y/z.gguf?download=true"}, "z.gguf is not in "),
    ):
        with pytest.raises(StartError, match=r"^--(hf-repo|model-url): ") as caught:
            find(tmp_path, **settings)
        assert part in str(caught.value)


def test_an_address_is_looked_for_where_llama_server_laid_its_file(tmp_path: Path) -> None:
    (tmp_path / "z.gguf").touch()
    assert find(tmp_path, model_url="https://x.example/y/z.gguf?download=true#top") == tmp_path / "z.gguf"


class FakeHub(types.ModuleType):
    """Hugging Face with one repository; a file that is downloaded is there afterwards."""

    def __init__(self) -> None:
        super().__init__("huggingface_hub")
        self.errors = types.SimpleNamespace(HfHubHTTPError=ConnectionError)
        self.downloaded: list[tuple[str, str | None]] = []

    def HfApi(self, *, token: str | None) -> "FakeHub":  # noqa: N802
        self.token = token
        return self

    def list_repo_files(self, repo: str) -> list[str]:
        if repo != "user/tiny":
            raise ConnectionError(f"404:\nno {repo}")
        return list(FILES)

    def hf_hub_download(self, repo: str, name: str, *, cache_dir: Path, token: str | None) -> str:
        self.downloaded.append((name, token))
        return str(write(cache_dir, repo, name) / name)


def test_what_is_not_cached_is_downloaded_with_all_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    found = find(tmp_path, hf_repo="user/tiny:bf16", hf_token="secret")
    assert found.name == "tiny-BF16-00001-of-00002.gguf"
    assert hub.downloaded == [(f"tiny-BF16-0000{i}-of-00002.gguf", "secret") for i in (1, 2)]
    assert find(tmp_path, hf_repo="user/tiny:bf16") == found
    assert len(hub.downloaded) == 2
    with pytest.raises(StartError, match="user/tiny has no GGUF file of Q2_K; see its list of files"):
        find(tmp_path, hf_repo="user/tiny:Q2_K")
    with pytest.raises(StartError, match="cannot download user/other: 404: no user/other"):
        find(tmp_path, hf_repo="user/other")
