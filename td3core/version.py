"""The version of the code, as it is written into artefacts."""

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("td3-service")
    except PackageNotFoundError:  # used from a folder that was copied, not installed
        return "0+unknown"


VERSION = _installed()
