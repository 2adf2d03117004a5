"""A client of the stand-in Lightrail V1, for tests of the stand-in itself."""

from mappers.lightrail_v1.sandbox import API_KEY, create_app

CODE = "V1ACT-100"
CART = {"cart": {"total": 10000, "items": [{"id": "red-hat", "quantity": 1, "unit_price": 10000}]}}


class Api:
    def __init__(self):
        self.app = create_app()
        self.model = self.app.extensions["backend"]
        self.http = self.app.test_client()
        self.headers = {"Authorization": f"Bearer {API_KEY}"}
        self.card = self.path(CODE)

    def path(self, code):
        return f"/cards/{self.model.by_code(code).id}"

    def call(self, method, path, **arguments):
        answer = self.http.open(f"/v1{path}", method=method, headers=self.headers, **arguments)
        return answer.status_code, answer.json

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, json=body)

    def transact(self, name, value, path=None, **more):
        body = {"userSuppliedId": name, "value": value, "currency": "BRL"} | more
        return self.post(f"{path or self.card}/transactions", body)

    def hold(self, name="hold", value=-1000, **more):
        return self.transact(name, value, pending=True, **more)[1]["transaction"]

    def end(self, transaction, how, name, **more):
        path = f"/cards/{transaction['cardId']}/transactions/{transaction['transactionId']}/{how}"
        return self.post(path, {"userSuppliedId": name} | more)

    def value(self, code=CODE):
        return [store.value for store in self.model.by_code(code).stores]

    def types(self):
        rows = self.get(f"{self.card}/transactions")[1]["transactions"]
        return [(row["transactionType"], row["value"]) for row in rows]


def error_of(answer) -> tuple[int, str | None]:
    status, body = answer
    assert status < 400 or body["status"] == status
    return status, body.get("messageCode")
