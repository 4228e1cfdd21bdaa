"""What can go wrong at the model, as exceptions a caller can tell apart."""


class EngineError(Exception):
    """libllama refused or failed; the message says what to do where that is known."""


class ModelError(EngineError):
    """A model cannot be loaded or used."""


class NoRoomError(EngineError):
    """The attention cells are full: nothing was changed, so make room and try again."""


class StateError(EngineError):
    """A state is not one that the context can take; more room would not help, so do without it."""


class MaskError(Exception):
    """A reply cannot be continued as its grammar demands: following it takes too much, or no token fits."""
