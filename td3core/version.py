"""The version of the code, as it is written into artefacts."""

VERSION = "0.2.0.dev0"
