"""What becomes of files in forms: nothing, for no form of the chat asks for one."""

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, SkipFile


class SkipsFiles(FileUploadHandler):
    """Reads over each file, so that strangers fill neither memory nor disk."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None
