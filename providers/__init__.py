"""What stores register: providers, the file that configures them, and the Gift Card Hub that lists them."""
