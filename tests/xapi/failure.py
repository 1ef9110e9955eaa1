"""What the API answers when a call cannot be carried out."""


class Failure(Exception):
    """A failed call: a code of xapi's api_errors and its parameters, all of them text."""

    def __init__(self, code, *params):
        super().__init__(code, *params)
        self.code = code
        self.params = [str(param) for param in params]

    @property
    def description(self):
        """The list that stands in ErrorDescription of a reply."""
        return [self.code] + self.params
