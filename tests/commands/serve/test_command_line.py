"""Lines of `segue serve`, as users of llama-server write them."""

import shlex
from contextlib import suppress

import pytest
from pydantic import ValidationError

from segue.commands.serve.answers import foreign_flags
from segue.commands.serve.command_line import ServeLine, read_line
from segue.commands.serve.errors import FlagError
from segue.commands.serve.llama_flags import llama_flags
from segue.settings import Settings
from segue.settings.flags import setting_flags


def read(line: str, **variables: str) -> ServeLine:
    return read_line(shlex.split(line), variables)


def settings(line: str, **variables: str) -> Settings:
    return read(line, **variables).settings()


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("-c 4096", "ctx_size", 4096),
        ("--ctx-size=4096", "ctx_size", 4096),
        ("--ctx_size 4096", "ctx_size", 4096),
        ("-c 1 -c 4096", "ctx_size", 4096),
        ("-fa", "flash_attn", "on"),
        ("-fa -c 4096", "flash_attn", "on"),
        ("-fa 1", "flash_attn", "on"),
        ("-fa=off", "flash_attn", "off"),
        ("--flash-attn on", "flash_attn", "on"),
        ("-fa auto", "flash_attn", "auto"),
        ("-ngl all", "n_gpu_layers", "all"),
        ("-ngl 999", "n_gpu_layers", 999),
        ("-ngl -1", "n_gpu_layers", -1),
        ("-ts 3/1", "tensor_split", (3.0, 1.0)),
        ("-a one,two --alias three", "alias", ["one", "two", "three"]),
        ("--api-key a --api-key b", "api_key", ["a", "b"]),
        ("--no-cache-prompt", "cache_prompt", False),
        ("--cache-prompt=off", "cache_prompt", False),
        ("--no-cache-prompt=true", "cache_prompt", False),
        ("-nkvo", "kv_offload", False),
        ("--fit off", "fit", "off"),
        ("-fit 1", "fit", "on"),
        ("--fit-target 512", "fit_target", (512,)),
        ("-fitt 512,1024/0", "fit_target", (512, 1024, 0)),
        ("-fitc 8192", "fit_ctx", 8192),
        ("--temp -1", "temperature", 0.0),
        ("--top-p 1.5", "top_p", 1.0),
        ("--top-k -1", "top_k", 0),
        ("--min-p .05", "min_p", 0.05),
        ("-n -2", "n_predict", -1),
        ("--seed -1", "seed", -1),
        ("--seed 4294967295", "seed", -1),
        ("--seed -2", "seed", 2**32 - 2),
        ("--dry-base 0.5", "dry_base", 1.75),
        (r"--dry-sequence-breaker '\n' --dry-sequence-breaker x", "dry_sequence_breakers", ["\n", "x"]),
        (r"""-r '\n\t\x41' -r '\\n' -r '\q\x4'""", "reverse_prompt", ["\n\tA", r"\n", r"\q\x4"]),
        (r"--dry-sequence-breaker '\\n'", "dry_sequence_breakers", [r"\n"]),
        (r"-r '\n' --no-escape", "reverse_prompt", [r"\n"]),
        (r"-r '\n' --no-escape -e", "reverse_prompt", ["\n"]),
        ("--dry-sequence-breaker none", "dry_sequence_breakers", []),
        ("-l 15043+1 -l 2-inf", "logit_bias", [(15043, 1.0), (2, float("-inf"))]),
        ("""--chat-template-kwargs '{"a": {"b": false}}'""", "chat_template_kwargs", {"a": {"b": False}}),
        ("--reasoning-budget-message '--- enough ---'", "reasoning_budget_message", "--- enough ---"),
        ("--reasoning off", "reasoning", "off"),
        ("--reasoning 1", "reasoning", "on"),
        ("--reasoning-budget 0", "reasoning_budget", 0),
        (
            "--override-kv a.b=int:3,c=bool:true --override-kv d=str:x:y",
            "override_kv",
            [("a.b", 3), ("c", True), ("d", "x:y")],
        ),
        (
            "-ot 'a|b=CPU,c=d=CPU,' -ot exps=CUDA0",
            "override_tensor",
            [("a|b", "CPU"), ("c", "d=CPU"), ("exps", "CUDA0")],
        ),
        ("-cmoe", "cpu_moe", True),
        ("--n-cpu-moe 20 -ncmoe 3", "n_cpu_moe", 3),
        ("-ncffn 4", "n_cpu_ffn", 4),
        ("-dev CUDA0,CUDA1 --device CUDA2", "device", ("CUDA2",)),
        ("-ts 3/1 -ts 1,2", "tensor_split", (1.0, 2.0)),
        ("-sm none -mg -1", "main_gpu", -1),
        ("--verbose", "verbosity", 10),
        ("-lv -1", "verbosity", 0),
        ("--rerank", "pooling", "rank"),
        ("--no-mmap", "load_mode", "none"),
        ("--mlock", "load_mode", "mmap+mlock"),
        ("--mlock --no-mmap", "load_mode", "mlock"),
        ("--no-mmap --mlock", "load_mode", "mlock"),
        ("-dio", "load_mode", "dio"),
        ("--gpt-oss-20b-default", "hf_file", "gpt-oss-20b-mxfp4.gguf"),
        ("--gpt-oss-20b-default --port 9000", "port", 9000),
        ("--sampling-seq kt", "samplers", "kt"),
        ("--log-colors -c 4096", "ctx_size", 4096),
        ("--metrics", "metrics", True),
        ("--no-webui", "ui", False),
    ],
)
def test_what_a_line_sets(line: str, name: str, value: object) -> None:
    found = getattr(settings(line), name)
    assert found == value
    assert read(line).warnings == []


@pytest.mark.parametrize(
    "line",
    [
        "--jinja -cb -nocb -kvu -no-kvu --no-context-shift --perf --no-warmup --ui-config {}",
        "--no-mmproj --prio 3 --poll 50 --log-timestamps --log-colors on --no-log-prefix -bs --keep -1",
        "--defrag-thold 0.1 --cache-reuse 0 --ctx-checkpoints 0 --no-cache-idle-slots",
        "--models-max 2 --no-models-autoload --control-vector-layer-range 1 5 --lora-init-without-apply",
    ],
)
def test_what_is_passed_over_in_silence(line: str) -> None:
    found = read(line)
    assert (found.values, found.warnings) == ({}, [])


@pytest.mark.parametrize(
    ("line", "names", "part"),
    [
        (
            "-ctxcp 64 -cms 256 -cpent 1024 --swa-checkpoints 3",
            "-ctxcp, -cms, -cpent, --swa-checkpoints",
            "--cache-ram",
        ),
        ("-td 4 --draft-max 16 --draft-max 8 -cmoed", "-td, --draft-max, -cmoed", "that it drafts for"),
        ("--mmproj m.gguf --image-min-tokens 1024", "--mmproj, --image-min-tokens", "other requests are refused"),
        ("--swa-full", "--swa-full", "checkpoints"),
        ("-sps 0.5", "-sps", "longest prefix"),
        ("--context-shift", "--context-shift", "a reply ends there"),
        ("--no-jinja", "--no-jinja", "--chat-template"),
        ("--models-dir d --models-preset m.ini --models-max 1", "--models-dir, --models-preset", "start one for each"),
    ],
)
def test_what_is_passed_over_with_one_warning(line: str, names: str, part: str) -> None:
    found = read(line)
    assert found.values == {}
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith(f"passed over {names}: ")
    assert part in found.warnings[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--lora a.gguf", "--lora is not taken: adapters are not supported yet"),
        ("--grammar x", "--grammar is not taken: a constraint comes with each request"),
        ("--docker-repo d", "--docker-repo is not taken: Segue asks no Docker registry"),
        ("--qqq", "unknown flag --qqq; segue serve --help shows all flags"),
        ("--no-flash-attn", "unknown flag --no-flash-attn; segue serve --help shows all flags"),
        ("--flash-atn on", "unknown flag --flash-atn; did you mean --flash-attn?"),
        ("--no-mmproj-autos", "unknown flag --no-mmproj-autos; did you mean --no-mmproj-auto?"),
        ("--reverse-promt x", "unknown flag --reverse-promt; did you mean --reverse-prompt?"),
        ("--verbose-promt", "unknown flag --verbose-promt; did you mean --verbose-prompt?"),
        ("--cache-type q8_0", "unknown flag --cache-type; did you mean --cache-type-k or --cache-type-v?"),
        ("--max-model-len 5", "unknown flag --max-model-len; segue serve --help shows all flags"),
        ("-ctx-size 5", "unknown flag -ctx-size; did you mean --ctx-size?"),
        ("x.gguf", "'x.gguf' belongs to no flag; the model is passed with --model"),
        ("-m", "-m needs a value"),
        ("-m -c 5", "-m needs a value"),
    ],
)
def test_what_is_refused(line: str, message: str) -> None:
    with pytest.raises(FlagError) as caught:
        read(line)
    assert str(caught.value).startswith(message)


def test_a_hint_never_leads_to_a_flag_that_is_refused() -> None:
    with pytest.raises(FlagError, match="--help shows all flags"):
        read("--grammer x")


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("LLAMA_ARG_NO_CACHE_PROMPT", "", "cache_prompt", False),
        ("LLAMA_ARG_CACHE_PROMPT", "0", "cache_prompt", False),
        ("LLAMA_ARG_NO_KV_OFFLOAD", "1", "kv_offload", False),
        ("LLAMA_ARG_FLASH_ATTN", "1", "flash_attn", "on"),
        ("LLAMA_ARG_RERANKING", "1", "pooling", "rank"),
        ("LLAMA_ARG_RERANKING", "0", "pooling", ""),
        ("LLAMA_ARG_MLOCK", "1", "load_mode", "mmap+mlock"),
        ("LLAMA_ARG_NO_MMAP", "1", "load_mode", "none"),
        ("LLAMA_ARG_MMAP", "0", "load_mode", "none"),
        (
            "LLAMA_ARG_CHAT_TEMPLATE_KWARGS",
            """'{"enable_thinking": false}'""",
            "chat_template_kwargs",
            {"enable_thinking": False},
        ),
        ("LLAMA_ARG_THINK", "none", "reasoning_format", "none"),
        ("LLAMA_ARG_THINK_BUDGET", "7", "reasoning_budget", 7),
        ("LLAMA_ARG_HF_REPO", "a/b:Q8_0", "hf_repo", "a/b:Q8_0"),
        ("LLAMA_ARG_SPEC_DRAFT_HF_REPO", "a/b:Q8_0", "hf_repo_draft", "a/b:Q8_0"),
    ],
)
def test_variables(variable: str, value: str, name: str, expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    found = read("", **{variable: value})
    assert getattr(found.settings(), name) == expected
    assert found.warnings == []


def test_a_flag_replaces_its_variable() -> None:
    assert settings("--cache-prompt", LLAMA_ARG_NO_CACHE_PROMPT="1").cache_prompt
    assert settings("-lm mmap", LLAMA_ARG_MLOCK="1").load_mode == "mmap"
    assert settings("--no-mmap", LLAMA_ARG_MLOCK="1").load_mode == "mlock"


def test_variables_of_the_template_add_up() -> None:
    two = """--chat-template-kwargs '{"a": 1, "b": 2}' --chat-template-kwargs '{"b": 3}'"""
    assert settings(two).chat_template_kwargs == {"a": 1, "b": 3}
    found = settings(two, LLAMA_ARG_CHAT_TEMPLATE_KWARGS='{"a": 0, "c": 4}')
    assert found.chat_template_kwargs == {"a": 1, "b": 3, "c": 4}
    for wrong in ("[1]", "{"):
        with pytest.raises(ValidationError):
            settings(f"{two} --chat-template-kwargs '{wrong}'")


def test_variables_of_flags_that_are_no_settings() -> None:
    found = read("", LLAMA_ARG_SWA_FULL="1", LLAMA_ARG_CONTEXT_SHIFT="0", LLAMA_ARG_MMPROJ="20", LLAMA_ARG_JINJA="1")
    assert [warning.partition(":")[0] for warning in found.warnings] == [
        "passed over LLAMA_ARG_SWA_FULL",
        "passed over LLAMA_ARG_MMPROJ",
    ]
    with pytest.raises(FlagError, match="LLAMA_ARG_DOCKER_REPO is not taken"):
        read("", LLAMA_ARG_DOCKER_REPO="ai/model")


def test_a_variable_that_is_none_of_llama_servers_is_told_of() -> None:
    found = read("", LLAMA_ARG_TEMP="0.5", LLAMA_ARG_TEMPERATURE="0.5", HOME="/x")
    assert found.warnings == [
        "passed over LLAMA_ARG_TEMP: llama-server reads no such variable, or does no longer; it has no effect"
    ]


@pytest.mark.parametrize(
    ("line", "prints"), [("--list-devices", "devices"), ("-cl", "models"), ("--version", "version")]
)
def test_what_is_printed_in_place_of_serving(line: str, prints: str) -> None:
    assert read(f"-c 4096 {line}").prints == prints


@pytest.mark.parametrize("value", ["", "0", "-1", "on", "nan", "1e400", "a,b", "{}", "'", "9" * 30, "\x00", "-"])
def test_whatever_is_written_is_taken_or_told(value: str) -> None:
    for name in (*setting_flags(), *foreign_flags()):
        for arguments in ([name, value], [f"{name}={value}"], [name, value, value]):
            with suppress(FlagError):
                read_line(arguments, {})
    for row in llama_flags():
        with suppress(FlagError):
            read_line([], {row.env: value})
    for name in {flag.setting: name for name, flag in setting_flags().items()}.values():
        with suppress(ValidationError):
            read_line([f"{name}={value}"], {}).settings().sampling()
