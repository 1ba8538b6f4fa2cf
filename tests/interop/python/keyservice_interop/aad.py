"""Additional authenticated data, docs/spec/associated-data.md."""

LABEL = b"keyservice/v1\0"

DATA_KEY_GENERAL = 1
DATA_KEY_FIELD = 2
DATA_KEY_ARCHIVE = 3
BULK_KEY = 4
CHECK_VALUE = 5
FIELD_TOKEN = 6
FIELD_TOKEN_DATA_KEY = 7
DATA_KEY_BLIND_INDEX = 8

NO_VERSION = bytes(8)

# purpose -> (format, bytes of the subject, whether a key version is named)
RULES = {
    DATA_KEY_GENERAL: (0x01, 0, True),
    DATA_KEY_FIELD: (0x01, 16, True),
    DATA_KEY_ARCHIVE: (0x01, 16, True),
    BULK_KEY: (0x01, 0, True),
    CHECK_VALUE: (0x01, 0, True),
    FIELD_TOKEN: (0x11, 0, True),
    FIELD_TOKEN_DATA_KEY: (0x12, 16, False),
    DATA_KEY_BLIND_INDEX: (0x01, 16, True),
}


def build(purpose: int, fmt: int, version: bytes, subject: bytes, encoded_context: bytes) -> bytes:
    """label | purpose u8 | format u8 | key-version id 8 | subject length u8 | subject | encoded context"""
    if RULES.get(purpose) != (fmt, len(subject), version != NO_VERSION) or len(version) != 8:
        raise ValueError("purpose, format, key version and subject do not belong together")
    return LABEL + bytes([purpose, fmt]) + version + bytes([len(subject)]) + subject + encoded_context
