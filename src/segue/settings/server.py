"""Where the server listens, who may call, and what it serves."""

from typing import Annotated, Literal

from cyclopts import Group
from pydantic import field_validator

from segue.settings.fields import INT32_MAX, Csv, PathText, SettingsGroup, Switch, env, flag, own, path_flag

_SERVER = Group("Server", sort_key=5)


class ServerSettings(SettingsGroup):
    """Where the server listens, who may call, and what it serves."""

    host: Annotated[str, flag(_SERVER, "--host")] = env(
        "LLAMA_ARG_HOST", "127.0.0.1", "Addresses to listen on, comma-separated, or paths of Unix sockets (*.sock)."
    )
    port: Annotated[int, flag(_SERVER, "--port")] = env(
        "LLAMA_ARG_PORT", 8080, "Port to listen on; 0 takes a free port.", ge=0, le=65535
    )
    reuse_port: Annotated[Switch, flag(_SERVER, "--reuse-port")] = env(
        "LLAMA_ARG_REUSE_PORT", False, "Let several servers listen on one port."
    )
    ssl_key_file: Annotated[PathText | None, path_flag(_SERVER, "--ssl-key-file")] = env(
        "LLAMA_ARG_SSL_KEY_FILE", None, "The private key for HTTPS, as PEM."
    )
    ssl_cert_file: Annotated[PathText | None, path_flag(_SERVER, "--ssl-cert-file")] = env(
        "LLAMA_ARG_SSL_CERT_FILE", None, "The certificate for HTTPS, as PEM."
    )
    api_prefix: Annotated[str, flag(_SERVER, "--api-prefix", is_empty=True)] = env(
        "LLAMA_ARG_API_PREFIX", "", "A path before those of all endpoints, such as /llm."
    )
    api_key: Annotated[Csv, flag(_SERVER, "--api-key", is_empty=True)] = env(
        "LLAMA_API_KEY", [], "Keys that clients must send, comma-separated; may be repeated.", repr=False
    )
    api_key_file: Annotated[PathText | None, path_flag(_SERVER, "--api-key-file")] = env(
        "LLAMA_ARG_API_KEY_FILE", None, "A file of API keys, one on each line; lines that start with # are comments."
    )
    timeout: Annotated[int, flag(_SERVER, "--timeout", "-to")] = env(
        "LLAMA_ARG_TIMEOUT",
        3600,
        "Seconds for which a client may neither send nor take data; 0 sets no limit.",
        ge=0,
        le=INT32_MAX,
    )
    threads_http: Annotated[int, flag(_SERVER, "--threads-http")] = env(
        "LLAMA_ARG_THREADS_HTTP", -1, "Threads that read and render requests; -1 means 40.", ge=-1, le=1024
    )
    sse_ping_interval: Annotated[int, flag(_SERVER, "--sse-ping-interval")] = env(
        "LLAMA_ARG_SSE_PING_INTERVAL",
        30,
        "Seconds of silence after which a stream sends a comment; -1 means never.",
        ge=-1,
        le=INT32_MAX,
    )
    sleep_idle_seconds: Annotated[int, flag(_SERVER, "--sleep-idle-seconds")] = own(
        -1,
        "Seconds without a request after which the model is unloaded until the next one; -1 means never.",
        ge=-1,
        le=INT32_MAX,
    )
    slot_save_path: Annotated[PathText | None, path_flag(_SERVER, "--slot-save-path")] = own(
        None, "A directory for POST /slots/{id}?action=save and restore; needed for both."
    )
    response_store: Annotated[int, flag(_SERVER, "--response-store")] = own(
        64, "MiB of memory for responses that clients can continue by previous_response_id; 0 keeps none.", ge=0
    )
    embeddings: Annotated[Switch, flag(_SERVER, "--embeddings", "--embedding", negative="--no-embeddings")] = env(
        "LLAMA_ARG_EMBEDDINGS", True, "Serve /v1/embeddings, which takes memory from the first request on."
    )
    pooling: Annotated[
        Literal["", "none", "mean", "cls", "last", "rank"], flag(_SERVER, "--pooling", is_empty=True)
    ] = env("LLAMA_ARG_POOLING", "", "How the tokens of a text make its embedding. By default as the file says.")
    embd_normalize: Annotated[int, flag(_SERVER, "--embd-normalize")] = own(
        2,
        "How embeddings are normalised: -1 not, 0 to 16 bits, 1 taxicab, 2 Euclidean, above 2 the p-norm.",
        ge=-1,
        le=INT32_MAX,
    )
    slots: Annotated[Switch, flag(_SERVER, "--slots", negative="--no-slots")] = env(
        "LLAMA_ARG_ENDPOINT_SLOTS", True, "Serve GET /slots."
    )
    ui: Annotated[Switch, flag(_SERVER, "--ui", "--webui", negative=("--no-ui", "--no-webui"))] = env(
        "LLAMA_ARG_UI", True, "Serve a page at / that tells where the endpoints are."
    )
    ui_mcp_proxy: Annotated[
        Switch,
        flag(
            _SERVER,
            "--ui-mcp-proxy",
            "--webui-mcp-proxy",
            negative=("--no-ui-mcp-proxy", "--no-webui-mcp-proxy"),
        ),
    ] = env("LLAMA_ARG_UI_MCP_PROXY", False, "Serve /cors-proxy, which fetches any address for those who may call.")
    metrics: Annotated[Switch, flag(_SERVER, "--metrics")] = env(
        "LLAMA_ARG_ENDPOINT_METRICS", False, "Serve GET /metrics."
    )
    props: Annotated[Switch, flag(_SERVER, "--props")] = env("LLAMA_ARG_ENDPOINT_PROPS", False, "Serve POST /props.")
    spm_infill: Annotated[Switch, flag(_SERVER, "--spm-infill")] = own(
        False, "Put the text behind a gap first in POST /infill, as some models want it."
    )
    cors_origins: Annotated[str, flag(_SERVER, "--cors-origins")] = env(
        "LLAMA_ARG_CORS_ORIGINS",
        "*",
        "Origins of web pages that may call, comma-separated; localhost means any page served from this machine,"
        " and is the default with --ui-mcp-proxy.",
    )
    cors_methods: Annotated[str, flag(_SERVER, "--cors-methods")] = env(
        "LLAMA_ARG_CORS_METHODS", "GET, POST, DELETE, OPTIONS", "Methods that such pages may use."
    )
    cors_headers: Annotated[str, flag(_SERVER, "--cors-headers")] = env(
        "LLAMA_ARG_CORS_HEADERS", "*", "Headers that such pages may send; * allows all that they request."
    )
    cors_credentials: Annotated[Switch, flag(_SERVER, "--cors-credentials", negative="--no-cors-credentials")] = env(
        "LLAMA_ARG_CORS_CREDENTIALS", True, "Let such pages send credentials."
    )

    @field_validator("api_prefix")
    @classmethod
    def _check_prefix(cls, value: str) -> str:
        prefix = value.rstrip("/")
        if prefix and not prefix.startswith("/"):
            raise ValueError("a prefix starts with a slash, such as /llm")
        return prefix

    @field_validator("cors_origins", "cors_methods", "cors_headers")
    @classmethod
    def _check_header(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()):
            raise ValueError("a header of HTTP holds printable ASCII characters only")
        return value

    @field_validator("sleep_idle_seconds")
    @classmethod
    def _check_sleep(cls, value: int) -> int:
        if value == 0:
            raise ValueError("pass seconds, or -1 to keep the model loaded")
        return value

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        if not any(part.strip() for part in value.split(",")):
            raise ValueError("pass an address, or leave the flag out")
        return value

    @property
    def allowed_origins(self) -> str:
        """The origins of web pages that may call, as `cors_origins` writes them.

        Where the server fetches any address, no page but those of this machine may ask for it, unless someone says so.
        """
        is_default = "cors_origins" not in self.model_fields_set
        return "localhost" if self.ui_mcp_proxy and is_default else self.cors_origins

    @property
    def hosts(self) -> list[str]:
        """The addresses and Unix sockets to listen on."""
        return [part.strip() for part in self.host.split(",") if part.strip()]
