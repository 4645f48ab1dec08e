"""The version of the client, which is that of the service it was released with."""

VERSION = "0.2.0.dev0"
