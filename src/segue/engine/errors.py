"""The exceptions of the engine."""


class EngineError(Exception):
    """libllama refused or failed; the message says what to do where that is known."""


class ModelError(EngineError):
    """A model cannot be loaded or used."""


class NoRoomError(EngineError):
    """The attention cells are full; nothing was changed, so make room and try again."""


class StateError(EngineError):
    """The context refuses a state; more room would not help, so read the tokens instead."""


class MaskError(Exception):
    """A reply cannot follow its grammar any further: it takes too much time or memory, or no token fits."""
