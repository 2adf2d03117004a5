"""The sandbox of Lightrail V2 as a client of its API sees it."""

from __future__ import annotations

from typing import Any

from mappers.lightrail_v2.sandbox import API_KEY, create_app

CARD = {"rail": "lightrail", "code": "LIGHT-ACTIVE-100"}


class Api:
    def __init__(self) -> None:
        self.app = create_app()
        self.model = self.app.extensions["backend"]
        self.http = self.app.test_client()
        self.headers = {"Authorization": f"Bearer {API_KEY}"}

    def post(self, path: str, body: dict[str, Any] | None = None, **arguments: Any) -> tuple[int, Any]:
        arguments = arguments or {"json": body}
        answer = self.http.post(f"/v2{path}", headers=self.headers, **arguments)
        return answer.status_code, answer.get_json()

    def patch(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        answer = self.http.patch(f"/v2{path}", headers=self.headers, json=body)
        return answer.status_code, answer.get_json()

    def get(self, path: str) -> tuple[int, Any]:
        answer = self.http.get(f"/v2{path}", headers=self.headers)
        return answer.status_code, answer.get_json()

    def debit(self, name: str, amount: Any = 1000, source: dict[str, str] = CARD, **more: Any) -> tuple[int, Any]:
        body = {"id": name, "source": source, "amount": amount, "currency": "BRL"} | more
        return self.post("/transactions/debit", body)

    def hold(self, name: str = "hold", amount: int = 1000, **more: Any) -> tuple[int, Any]:
        return self.debit(name, amount, **({"pending": True} | more))

    def balance(self, code: str = "LIGHT-ACTIVE-100") -> int:
        answer: int = self.model.by_code(code)["balance"]
        return answer


def code_of(answer: tuple[int, Any]) -> tuple[int, str | None]:
    status, body = answer
    return status, body.get("messageCode")
