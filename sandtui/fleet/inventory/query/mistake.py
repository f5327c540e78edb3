"""What is wrong with a query, and where."""


class QueryError(ValueError):
    """A query that can't be understood; ``column`` is where, counted from 0, and ``length`` how far."""

    def __init__(self, message: str, column: int, length: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.length = max(1, length)
