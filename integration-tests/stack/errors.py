"""The one exception of this package."""


class StackError(Exception):
    """The stack cannot be started; the message says what to do."""
