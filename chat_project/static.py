"""How static files are stored in production."""

from whitenoise.storage import (  # type: ignore[import-untyped]
    CompressedManifestStaticFilesStorage,
)


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Compressed, and named by their content, so that browsers may keep them for ever.

    The addresses in ``import`` lines of the JavaScript modules are replaced too: after a deploy a
    page must never mix modules of two releases.
    """

    support_js_module_import_aggregation = True
