"""The use cases of who may use the console: users, their passwords and their sessions."""
