"""The commands of a store admin: each asks a use case of `app.admin` and prints what it says."""
