"""The checks, a module per chapter or two. A number is never used again for something else."""
