"""The use cases of a store admin who configures, registers and checks providers."""
