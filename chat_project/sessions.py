"""Browser sessions in the database, with keys that every database accepts."""

from django.contrib.sessions.backends import db

from channels_workers.session_stores import is_session_key


class SessionStore(db.SessionStore):
    """Ignores cookies that cannot be a session key, for which PostgreSQL would raise an error.

    Anybody can send a cookie with a NUL. Each page would answer 500 and log a stack trace.
    """

    def _validate_session_key(self, key: str) -> bool:
        is_valid: bool = super()._validate_session_key(key)  # type: ignore[misc]
        return is_valid and is_session_key(key)
