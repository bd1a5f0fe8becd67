"""Where browsers' sessions are: in the database, by keys that every database takes."""

from django.contrib.sessions.backends import db

from channels_workers.session_stores import is_session_key


class SessionStore(db.SessionStore):
    """Takes a cookie that can be no key for none, where PostgreSQL would raise an error.

    Anybody may send one with a NUL; each page would answer 500, with a stack trace in the log.
    """

    def _validate_session_key(self, key: str) -> bool:
        is_valid: bool = super()._validate_session_key(key)  # type: ignore[misc]
        return is_valid and is_session_key(key)
