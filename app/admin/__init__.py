"""The use cases of a store admin, free of commands and pages."""
