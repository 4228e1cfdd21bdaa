"""Makes the drafters of a server's replies."""

import logging

from segue.draft_model import DraftModel
from segue.drafting.chain import ChainedDrafter
from segue.drafting.drafter import Drafter
from segue.drafting.mtp import MtpDrafter
from segue.drafting.tree import TreeDrafter
from segue.engine.base import Engine
from segue.engine.model import Model
from segue.engine.model_files import has_mtp
from segue.engine.mtp_engine import MtpEngine
from segue.engine.nextn import NextN, find_nextn
from segue.settings import Settings

log = logging.getLogger(__name__)


def wants_mtp(settings: Settings) -> bool:
    """Whether a model's multi-token-prediction layers are to be loaded, if its file has some."""
    return settings.drafts_with_mtp and find_nextn() is not None


def usable_nextn(settings: Settings, model: Model) -> NextN | None:
    """The functions for these layers of a model that was loaded with them. The log says where they are missed."""
    if settings.drafts_with_mtp and not model.has_mtp:
        if has_mtp(model.path):
            log.warning("this libllama cannot use the model's layers for further tokens; they do not draft")
        elif settings.spec_type:
            log.warning("--spec-type draft-mtp: the model has no layers for further tokens that Segue can use")
    return find_nextn() if model.has_mtp else None


def make_drafter(engine: Engine, draft_model: DraftModel | None) -> Drafter:
    """All drafters that there are as one, the cheapest first."""
    found: dict[str, Drafter] = {"tree": TreeDrafter()}
    if isinstance(engine, MtpEngine):
        found["draft-mtp"] = MtpDrafter(engine)
    if draft_model is not None:
        found["draft-simple"] = draft_model.drafter
    log.info("replies are drafted by %s", ", ".join(found))
    return found["tree"] if len(found) == 1 else ChainedDrafter(list(found.values()))
