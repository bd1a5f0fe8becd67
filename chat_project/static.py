"""The storage of static files in production."""

from whitenoise.storage import (  # type: ignore[import-untyped]
    CompressedManifestStaticFilesStorage,
)


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Compresses files and puts a hash into their names, so that browsers can cache them for ever.

    It also rewrites the URLs in ``import`` statements of JavaScript modules, because a page must
    never mix modules of two releases.
    """

    support_js_module_import_aggregation = True
