"""What a page of the console is."""

from __future__ import annotations

from flask import Blueprint

from app.admin.people.users import Role
from app.console.texts import LazyText


class Page(Blueprint):
    """A page with its views; the view `index` is where the navigation leads.

    `title` is its name there. Pages are in the order of their `place`; one without a place above 0 is not in the
    navigation, nor is one for users who lack its `role`. One for a `demo` exists in no other service.
    """

    def __init__(
        self, name: str, title: LazyText, place: int = 0, role: Role = Role.VIEWER, *, demo: bool = False
    ) -> None:
        super().__init__(name, f"{__package__}.{name}")
        self.title = title
        self.place = place
        self.role = role
        self.demo = demo

    @property
    def shown(self) -> bool:
        return self.place > 0
