from segue.commands.cache.units import counted, moment, size, span


def test_sizes() -> None:
    kib = 1024
    sizes = [0, 999, kib, 12.34 * kib**2, 999 * kib, 1000 * kib, 64 * kib**3, 5000 * kib**4]
    assert [size(n) for n in sizes] == [
        *("0 B", "999 B", "1.0 KiB", "12.3 MiB", "999.0 KiB", "1.0 MiB", "64.0 GiB", "5,000.0 TiB")
    ]


def test_spans() -> None:
    spans = [-5, 0, 119.9, 120, 119 * 60, 7200, 47.9 * 3600, 30.5 * 86_400]
    assert [span(s) for s in spans] == ["0 s", "0 s", "120 s", "2 min", "119 min", "2 h", "47 h", "30 d"]


def test_moments() -> None:
    text = moment(1000.0, 1010.0)
    assert text.startswith(("1969-12-31 ", "1970-01-01 "))
    assert text.endswith(" (10 s ago)")


def test_counts() -> None:
    assert [counted(n, "file") for n in (0, 1, 2, 1234)] == ["0 files", "1 file", "2 files", "1,234 files"]
