"""The description of the protocol, for programs and for people."""
