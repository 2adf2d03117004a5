"""What every answer of the console tells the browser: nothing from elsewhere, in no frame, and nothing kept."""

from __future__ import annotations

from flask import Flask, Response, request

from app.console.guard import is_loopback

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def add_headers(app: Flask) -> None:
    """Add them to every answer."""

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.update(HEADERS)
        # The address of a file has a digest of what is in it.
        kept = request.endpoint == "static" and response.status_code == 200
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if kept else "no-store"
        if not is_loopback(request.host):
            # Browsers heed it only behind TLS, which is the only way here from other machines.
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response
