"""Ignores uploaded files, because no form of the chat has one."""

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, SkipFile


class SkipsFiles(FileUploadHandler):
    """Skips each file, so that strangers can fill neither memory nor disk."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None
