"""Users by tokens, for clients that have no cookies of the site."""

from channels_workers.tokens.decorators import close_sockets_of, token_user
from channels_workers.tokens.http import TokenUserMiddleware, http_token_user
from channels_workers.tokens.signed import issue
from channels_workers.tokens.validation import TokenRefused, TokenUser, verify

__all__ = [
    "TokenRefused",
    "TokenUser",
    "TokenUserMiddleware",
    "close_sockets_of",
    "http_token_user",
    "issue",
    "token_user",
    "verify",
]
