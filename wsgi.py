"""What a WSGI server of your own serves from a checkout: `wsgi:app`. `giftbridge serve` does without it."""

from app import create_app

app = create_app()
