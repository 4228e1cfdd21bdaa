import io

from rich.console import Console

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.details import details
from tests.commands.cache.making import IDS, NOW


def shown(contents: DirectoryContents, number: int) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(details(contents.find([IDS[number]])[0], contents, NOW))
    return " ".join(console.export_text().split())


def test_everything_about_a_chain(contents: DirectoryContents) -> None:
    text = shown(contents, 2)
    for part in (
        *(
            f"checkpoint {IDS[2]}",
            "tokens 75, those of its segments",
            "positions in memory 0 to 74",
            "namespace shared",
            "pinned no",
        ),
        *("(2 d ago)", "(3 d ago)", "hits 0", "logits no", "positions digest none", "0 to 59 of 99", "60 to 74 of 79"),
        *("model aaaaaaaa-1", "libllama 0.3.36", f"model {'a' * 32}"),
        *("segment positions size needed by", *(segment.file for segment in contents.find([IDS[2]])[0].chain)),
    ):
        assert part in text
    assert "logits yes" in shown(contents, 1)


def test_one_that_stands_alone(contents: DirectoryContents) -> None:
    text = shown(contents, 5)
    assert "tokens 10, stored with it" in text
    assert "pinned yes" in text
    assert "needed by" not in text
