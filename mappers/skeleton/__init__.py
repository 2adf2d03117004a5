"""What a new mapper begins with: templates of its files, and what fills them in."""
