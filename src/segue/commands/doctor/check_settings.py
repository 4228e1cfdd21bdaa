"""Whether the settings can work at all."""

from collections.abc import Callable, Iterator
from typing import Final

from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.commands.serve.errors import StartError
from segue.commands.serve.listeners import check_certificate
from segue.commands.serve.start import check_slot_folder, make_service
from segue.settings import Settings

_CHECKS: Final[tuple[Callable[[Settings], object], ...]] = (check_slot_folder, check_certificate, make_service)
_HELP: Final = "segue serve --help"


def check_settings(setup: Setup) -> Iterator[Finding]:
    """Check what a server checks before it loads a model; the template that flags name among it."""
    for check in _CHECKS:
        try:
            check(setup.settings)
        except StartError as error:
            text, _, advice = str(error).rpartition("; ")
            if "--chat-template" in str(error):
                yield setup.fault(text or advice, chat_template=None, chat_template_file=None)
            else:
                yield Finding(text or advice, advice if text else _HELP)
