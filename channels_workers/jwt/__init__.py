"""Tokens that are JSON Web Tokens (RFC 7519). They need the package PyJWT: the extra ``jwt``."""

try:
    from channels_workers.jwt.validator import validate
except ImportError as error:
    raise ImportError(
        "channels_workers.jwt needs the package PyJWT, version 2.10.1 or later, with cryptography. "
        "Install it: pip install 'channels-workers[jwt]'. Or remove channels_workers.jwt.validate "
        "from CHANNEL_TOKENS['VALIDATORS']."
    ) from error

__all__ = ["validate"]
