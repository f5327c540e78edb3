"""What is wrong with a filter, and where."""


class QueryError(ValueError):
    """An invalid filter; ``column``, counted from 0, and ``length`` mark the place of the error."""

    def __init__(self, message: str, column: int, length: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.length = max(1, length)
