"""What a store admin does with providers: configure, register and check them, free of commands and pages."""
