"""The one error of this layer: its text is the line a person reads, saying what is wrong and what to do."""


class DeployError(Exception):
    """Something outside the program stands in the way; the message is one complete line."""


class InterruptedByUser(Exception):  # noqa: N818 - not an error: the person asked to stop
    """A stop was requested while a start-up step was still running."""
