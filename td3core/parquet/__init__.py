"""What a Parquet file unpacks to, told by its footer and page headers before anything is allocated for it."""

from td3core.parquet.pages import ParquetError, Unpacked, unpacked

__all__ = ["ParquetError", "Unpacked", "unpacked"]
