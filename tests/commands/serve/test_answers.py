"""Every flag and variable of llama-server has an answer."""

from collections import Counter
from fnmatch import fnmatchcase

import pytest

from segue.commands.serve.answers import ANSWERS, DROPPED, Verdict, answer_to, foreign_flags
from segue.commands.serve.llama_flags import TABLE, LlamaFlag, llama_flags
from segue.settings import Settings
from segue.settings.flags import setting_flags, variables
from tests.acceptance.clients import SOURCES, require
from tools.llama_flags import listed, server_flags

LEAST_SHARE = 0.95


def verdict(row: LlamaFlag) -> Verdict:
    return Verdict.TAKEN if row.names[0] in setting_flags() else answer_to(row).verdict


def test_at_least_95_percent_of_the_rows_are_taken_or_passed_over() -> None:
    counts = Counter(verdict(row) for row in llama_flags())
    share = 1 - counts[Verdict.REFUSED] / counts.total()
    print(f"{share:.1%} of {counts.total()} rows:", dict(counts))
    assert counts.total() == 255
    assert share >= LEAST_SHARE


def test_a_setting_has_all_names_of_its_flag() -> None:
    for row in llama_flags():
        ours = [setting_flags()[name] for name in row.names if name in setting_flags()]
        assert len(ours) in (0, len(row.names)), row
        assert len({flag.setting for flag in ours}) <= 1, row
        assert all((flag.value is None) == (row.n_values == 1) for flag in ours), row
        for name in row.negatives if ours else ():
            assert setting_flags()[name].setting == ours[0].setting, name


def test_a_setting_has_the_variable_of_its_flag() -> None:
    known = {row.env for row in llama_flags()}
    for row in llama_flags():
        if row.names[0] in setting_flags():
            field = Settings.model_fields[setting_flags()[row.names[0]].setting]
            assert (field.validation_alias or "") == row.env, row
    assert set(variables()) <= known


def test_what_is_short_for_settings_names_settings_that_take_the_values() -> None:
    for answer in ANSWERS.values():
        values = dict(answer.stands_for)
        if values and "prints" not in values:
            Settings(**values)  # type: ignore[arg-type]
            assert set(values) <= set(Settings.model_fields)


def test_every_answer_belongs_to_a_flag() -> None:
    rows = {name: row for name, row in foreign_flags().items() if row.names[0] not in setting_flags()}
    for pattern, answer in ANSWERS.items():
        fitting = [
            row
            for name, row in rows.items()
            if fnmatchcase(name, pattern)
            and answer in (answer_to(row), answer_to(row, is_negated=True) if row.negatives else None)
        ]
        assert fitting, pattern


def test_no_flag_that_was_dropped_is_there_today() -> None:
    today = {name for row in llama_flags() for name in (*row.names, *row.negatives)}
    assert not today & {name for row in DROPPED for name in (*row.names, *row.negatives)}


def test_a_row_without_an_answer_is_seen() -> None:
    with pytest.raises(LookupError, match="--no-such has no answer"):
        answer_to(LlamaFlag(("--no-such",)))


def test_rows_are_read_from_the_source() -> None:
    source = """
        add_opt(common_arg(
            {"-x", "--long"}, "N",
            string_format("a {brace} (default: %d)", 1),
            [](common_params & params, int value) { params.x = value; }
        ).set_env("LLAMA_ARG_X"));
        // add_opt(common_arg({"--gone"}, "text", [](common_params & params) {}));
        add_opt(common_arg(
            {"--on"}, {"--no-on", "--off"}, "text",
            [](common_params & params, bool value) {}
        ).set_examples({LLAMA_EXAMPLE_SERVER, LLAMA_EXAMPLE_CLI}));
        add_opt(common_arg({"--cli"}, "text", [](common_params &) {}).set_examples({LLAMA_EXAMPLE_CLI}));
        add_opt(common_arg({"--range"}, "A", "B", "text",
            [](common_params & params, const std::string & a, const std::string & b) {}
        ));
        add_opt(common_arg({"-x", "--long"}, "N", "text",
            [](common_params & params, int value) {}
        ).set_env("LLAMA_ARG_X"));
    """
    assert server_flags(source) == [
        LlamaFlag(("-x", "--long"), (), 1, "LLAMA_ARG_X"),
        LlamaFlag(("--on",), ("--no-on", "--off"), 0, ""),
        LlamaFlag(("--range",), (), 2, ""),
    ]
    with pytest.raises(ValueError, match="not understood"):
        server_flags("add_opt(common_arg(names, help, handler))")


@pytest.mark.acceptance
def test_the_table_is_that_of_the_source() -> None:
    require(SOURCES)
    (source,) = SOURCES.directory.glob("*/vendor/llama.cpp/common/arg.cpp")
    assert listed(server_flags(source.read_text(encoding="utf-8"))) == TABLE.read_text(encoding="utf-8")
