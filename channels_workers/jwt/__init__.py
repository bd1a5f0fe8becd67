"""Tokens that are JSON Web Tokens (RFC 7519). They need the package PyJWT: the extra ``jwt``."""

from channels_workers.jwt.validator import validate

__all__ = ["validate"]
