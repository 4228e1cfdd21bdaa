"""Whether the chat template suits the model."""

from collections.abc import Iterator

from segue.chat.template.sandbox import TemplateError
from segue.chat.template.template import ChatTemplate
from segue.chat.template.turn_marks import unknown_mark
from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.commands.serve.errors import StartError
from segue.commands.serve.start import template_fault, template_source
from segue.engine.model import Model


def check_template(model: Model, setup: Setup) -> Iterator[Finding]:
    """Compile the template that flags name, or the model's own. A model for embeddings needs none."""
    if f"{model.meta.get('general.architecture')}.pooling_type" in model.meta:
        return
    try:
        named = template_source(setup.settings)
    except StartError:
        return  # the check of the settings reports it
    source, vocabulary = named or model.chat_template, model.vocabulary
    other = {"chat_template": None, "chat_template_file": None if named else "TEMPLATE.jinja"}
    try:
        template = ChatTemplate(source, vocabulary.text(vocabulary.bos), vocabulary.text(vocabulary.eos))
    except TemplateError as error:
        if not named:
            yield setup.fault(f"the model's own chat template is broken: {error}", **other)
        return
    fault = template_fault(source, unknown_mark(template, vocabulary.special_pieces()))
    if fault:
        yield setup.fault(fault, **other)
