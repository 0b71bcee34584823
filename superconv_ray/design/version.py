"""The version of this package, which every result notes."""

VERSION = "0.1.0"
