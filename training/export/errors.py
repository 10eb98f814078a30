"""What can stop a model from being published.

ExportError
└── ParityError    torch and ONNX Runtime disagree
"""


class ExportError(Exception):
    """A model that cannot be exported or published; the message says what was found and the remedy."""


class ParityError(ExportError):
    """The exported graph does not compute what the trained network computes."""
