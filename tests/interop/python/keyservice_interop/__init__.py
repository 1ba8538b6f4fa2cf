"""A second implementation of KeyService's byte formats, written from docs/spec, to check the first one against.

Not for production: it favours plainness over speed and keeps secrets in ordinary memory.
"""
