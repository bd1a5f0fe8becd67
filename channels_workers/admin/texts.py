"""The texts that the script of the status page shows, in the language of the page.

The script has them in English: ``t("Live")``. Each is also listed here, since ``makemessages`` does
not read scripts. A test compares the two. All texts of the engine have a context, since its
translations come before those of the project and of Django.
"""

from __future__ import annotations

from django.utils.translation import override, pgettext_lazy

TEXTS = (
    # The connection
    pgettext_lazy("channels_workers", "Live: the page follows the engine."),
    pgettext_lazy("channels_workers", "Opening the socket…"),
    pgettext_lazy(
        "channels_workers", "Not live: no socket is open. The page asks every {seconds} s."
    ),
    pgettext_lazy(
        "channels_workers",
        "Not live: the routing lacks the socket. The page asks every {seconds} s.",
    ),
    pgettext_lazy("channels_workers", "The layer does not answer. The page goes on asking."),
    pgettext_lazy("channels_workers", "The site does not answer. The page goes on asking."),
    pgettext_lazy("channels_workers", "You may no longer see this page."),
    pgettext_lazy("channels_workers", "You are logged out. Load the page again to log in."),
    pgettext_lazy("channels_workers", "Paused while the page is hidden."),
    pgettext_lazy("channels_workers", "As of {time}"),
    # Numbers
    pgettext_lazy("channels_workers", "peak {count}"),
    pgettext_lazy("channels_workers", "more than {count}"),
    pgettext_lazy("channels_workers", "unknown"),
    pgettext_lazy("channels_workers", "{count} more are not shown."),
    pgettext_lazy("channels_workers", "none"),
    pgettext_lazy("channels_workers", "of {count}"),
    pgettext_lazy("channels_workers", "next {time}"),
    pgettext_lazy("channels_workers", "lags"),
    pgettext_lazy("channels_workers", "slow"),
    pgettext_lazy("channels_workers", "nobody listens"),
    pgettext_lazy("channels_workers", "does not answer"),
    pgettext_lazy("channels_workers", "open"),
    pgettext_lazy("channels_workers", "new"),
    pgettext_lazy("channels_workers", "draining"),
    pgettext_lazy("channels_workers", "away"),
    # Problems
    pgettext_lazy("channels_workers", "Redis has lost its data. All processes register again."),
    pgettext_lazy("channels_workers", "No worker runs."),
    pgettext_lazy("channels_workers", "Servers that do not keep up with their inbox: {count}"),
    pgettext_lazy("channels_workers", "Consumers that run for too long: {count}"),
    pgettext_lazy(
        "channels_workers",
        "Channels with messages that no live worker listens to: {count}, such as {what}",
    ),
    pgettext_lazy("channels_workers", "The processes have several releases: {what}"),
    pgettext_lazy("channels_workers", "Shards that do not answer: {what}. Their sockets wait."),
    pgettext_lazy(
        "channels_workers", "Processes that do not know all shards: see manage.py shards."
    ),
    pgettext_lazy(
        "channels_workers", "Set aside as unreadable: {count}. See manage.py deadletters aside."
    ),
    pgettext_lazy(
        "channels_workers", "Keys or fields that cannot be read, and are not counted: {count}"
    ),
)


def page_texts() -> dict[str, str]:
    """Return the texts in the language of the page, by their English form."""
    here = [str(text) for text in TEXTS]
    with override(None):
        return dict(zip((str(text) for text in TEXTS), here, strict=True))
