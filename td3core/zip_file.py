"""The file of a zip archive that may be hostile."""

import io
import zipfile

LARGEST_READ = 1 << 20
"""Bytes of the file that are read at once, and so of its directory."""


class BoundedFile(io.FileIO):
    """The file of an archive, of which little is read at once, whatever its directory says."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; without a size all that are left.

        Raises:
            zipfile.BadZipFile: They are too many.
        """
        if size is None or size < 0:
            here = self.tell()
            size = self.seek(0, io.SEEK_END) - here
            self.seek(here)
        if size > LARGEST_READ:
            raise zipfile.BadZipFile(f"its directory has {size:,} bytes; expected at most {LARGEST_READ:,}")
        return super().read(size) or b""
