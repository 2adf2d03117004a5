"""The use cases of a store admin who finds, shows and repairs transactions and cards."""
