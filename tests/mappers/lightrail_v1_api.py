"""A client of the Lightrail V1 sandbox, for tests of the sandbox itself."""

from __future__ import annotations

from typing import Any

from mappers.lightrail_v1.sandbox import API_KEY, create_app

CODE = "V1ACT-100"
CART = {"cart": {"total": 10000, "items": [{"id": "red-hat", "quantity": 1, "unit_price": 10000}]}}


class Api:
    def __init__(self) -> None:
        self.app = create_app()
        self.model = self.app.extensions["backend"]
        self.http = self.app.test_client()
        self.headers = {"Authorization": f"Bearer {API_KEY}"}
        self.card = self.path(CODE)

    def path(self, code: str) -> str:
        return f"/cards/{self.model.by_code(code).id}"

    def call(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        answer = self.http.open(f"/v1{path}", method=method, headers=self.headers, **arguments)
        return answer.status_code, answer.get_json()

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return self.call("POST", path, json=body)

    def transact(self, name: str | None, value: int, path: str | None = None, **more: Any) -> tuple[int, Any]:
        body = {"userSuppliedId": name, "value": value, "currency": "BRL"} | more
        return self.post(f"{path or self.card}/transactions", body)

    def hold(self, name: str = "hold", value: int = -1000, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.transact(name, value, pending=True, **more)[1]["transaction"]
        return answer

    def end(self, transaction: dict[str, Any], how: str, name: str, **more: Any) -> tuple[int, Any]:
        path = f"/cards/{transaction['cardId']}/transactions/{transaction['transactionId']}/{how}"
        return self.post(path, {"userSuppliedId": name} | more)

    def value(self, code: str = CODE) -> list[int]:
        return [store.value for store in self.model.by_code(code).stores]

    def types(self) -> list[tuple[str, int]]:
        rows = self.get(f"{self.card}/transactions")[1]["transactions"]
        return [(row["transactionType"], row["value"]) for row in rows]


def error_of(answer: tuple[int, Any]) -> tuple[int, str | None]:
    status, body = answer
    assert status < 400 or body["status"] == status
    return status, body.get("messageCode")
