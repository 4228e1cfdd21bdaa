"""Where Google's Vertex AI looks for a model's server: its own variables, which llama-server takes too."""

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREDICTION = "PREDICTION"


class VertexSettings(BaseSettings):
    """The variables of a container on Vertex AI. Elsewhere they are not set, and nothing follows from them."""

    model_config = SettingsConfigDict(env_prefix="AIP_", env_ignore_empty=True, frozen=True)

    mode: str = ""
    http_port: int = Field(default=8080, ge=0, le=65535)
    health_route: str = ""
    predict_route: str = "/predict"

    @field_validator("health_route", "predict_route")
    @classmethod
    def _from_root(cls, value: str) -> str:
        return value if not value or value.startswith("/") else f"/{value}"

    @property
    def is_on(self) -> bool:
        """Whether this process is to answer Vertex AI's requests."""
        return self.mode == _PREDICTION
