"""The application: every route and what stands before them."""

from fastapi import FastAPI

from segue import __version__
from segue.api import admin, embeddings, errors, infill, native, openai_chat, openai_completions, slots, text
from segue.api.anthropic import routes as anthropic
from segue.api.auth import Auth
from segue.api.cors import Cors
from segue.api.gate import Gate
from segue.api.responses import route as responses
from segue.api.service import Service


def create_app(service: Service) -> FastAPI:
    """Make the application. It serves at once, and answers 503 until the service is ready."""
    app = FastAPI(title="Segue", version=__version__, redirect_slashes=False, docs_url=None, redoc_url=None)
    errors.install(app)
    modules = (openai_chat, openai_completions, responses, anthropic, native, infill, embeddings, text, slots, admin)
    for module in modules:
        app.include_router(module.router(service))
    # The last one added hears a request first.
    app.add_middleware(Auth, keys=service.keys)
    app.add_middleware(Gate, service=service)
    app.add_middleware(errors.Guard)
    app.add_middleware(Cors, settings=service.settings)
    return app
