"""What runs the process: gunicorn, its workers, the embedded Redis, health, and the demo."""
