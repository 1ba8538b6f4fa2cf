"""What this package raises."""


class FormatError(Exception):
    """Bytes that break a rule of a format. `fault` is the machine-readable kind."""

    def __init__(self, fault: str, message: str):
        super().__init__(message)
        self.fault = fault


class VerificationFailed(FormatError):
    """Wrong key, wrong context or damaged bytes: one face."""

    def __init__(self):
        super().__init__("VerificationFailed", "does not verify: damaged, or made with another key or context")
