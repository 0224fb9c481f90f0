"""Asks a running service from Python; what it answers comes as the records that the service itself answers with.

::

    with Client("http://localhost:8000", key) as shop:
        shop.put_items([{"item_id": "dress-12", "title": "Linen dress", "price": 39.9}])
        shop.send([{"user_id": "u7", "item_id": "dress-12", "event": "view"}])
        for card in shop.recommend("u7", n=8).items:
            print(card.title)
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Self, TypedDict, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from modaloom.api.schemas.answers import (
    CatalogueChange,
    Consents,
    Erased,
    Explanation,
    IngestedEvents,
    NewPicture,
    PatchedItems,
    ShopperToken,
    UsersChange,
)
from modaloom.errors import ModaloomError, NotFoundError, QueryError, ServeError
from modaloom.records import Record
from modaloom.shop.requests import Answer, ItemView, Profile, Why

if TYPE_CHECKING:  # they load NumPy, which nobody needs for lists
    from modaloom.api.schemas.trends import (
        AlertList,
        ArrivalList,
        BoardState,
        GapList,
        TermList,
        TrendAnswer,
        TrendList,
    )

Place = Literal["home", "trending", "new"]
Kind = Literal["like", "dislike", "wrong_size", "too_dear", "hide"]
Json = dict[str, Any]
R = TypeVar("R", bound=Record)
BATCH = 1_000
"""Items, users or events that the service takes at once."""
RETRIED = (429, 503)
LONGEST_WAIT_S = 30.0


class Event(TypedDict):
    """Something that a shopper did."""

    user_id: str
    event: Literal["view", "search", "cart", "purchase", "rating", "like", "dislike", "return"]
    item_id: NotRequired[str]
    timestamp: NotRequired[int]
    value: NotRequired[float]
    query: NotRequired[str]
    session_id: NotRequired[str]
    event_id: NotRequired[str]


class RequestError(ServeError):
    """A request was refused."""

    def __init__(self, status: int, code: str, message: str, *, hint: str | None = None, request_id: str | None = None):
        super().__init__(message, where=f"{status} {code}", hint=hint)
        self.status = status
        self.code = code
        self.request_id = request_id
        """Look for it in the service's log."""


class Client:
    """One shop's service. Safe to share between threads.

    Requests that may be sent twice without harm are, where the service is too busy; events get an id for that.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        shopper_token: str | None = None,
        timeout_s: float = 30.0,
        tries: int = 5,
        transport: httpx.BaseTransport | None = None,
    ):
        headers = {"X-API-Key": key, **({"X-Shopper-Token": shopper_token} if shopper_token else {})}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self._tries = tries

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Gives the connections back."""
        self._http.close()

    def recommend(self, user_id: str = "me", *, place: Place = "home", **filters: Any) -> Answer:
        """A list for a shopper.

        Args:
            user_id: whom it is for.
            place: which list.
            filters: ``n``, ``language``, ``category``, ``price_max``, ``attr`` ... as in ``docs/api.md``.

        Raises:
            QueryError: a filter is wrong.
            RequestError: refused for another reason.
        """
        return self._get(Answer, "/v1/recommendations", user_id=user_id, place=place, **filters)

    def similar(self, item_id: str, **filters: Any) -> Answer:
        """What is like an item."""
        return self._get(Answer, f"/v1/items/{_in_path(item_id)}/similar", **filters)

    def goes_with(self, item_id: str, **filters: Any) -> Answer:
        """What goes with an item."""
        return self._get(Answer, f"/v1/items/{_in_path(item_id)}/goes-with", **filters)

    def search(self, text: str | None = None, *, photo: Path | bytes | None = None, **filters: Any) -> Answer:
        """What words describe, a photo shows, or both; with the filters of :meth:`recommend`."""
        if photo is None:
            return self._get(Answer, "/v1/search", text=text or "", **filters)
        data = photo if isinstance(photo, bytes) else photo.read_bytes()
        fields = {name: value for name, value in filters.items() if value is not None}
        return self._record(
            Answer,
            "POST",
            "/v1/search/photo",
            files={"file": ("photo", data)},
            data={**fields, **({"text": text} if text else {})},
        )

    def explain(self, user_id: str, item_id: str, *, language: str | None = None) -> tuple[Why, ...]:
        """Why an item is, or would be, shown to a shopper."""
        return self._get(Explanation, "/v1/explanations", user_id=user_id, item_id=item_id, language=language).why

    def item(self, item_id: str, *, language: str | None = None) -> ItemView:
        """Everything about an item.

        Raises:
            NotFoundError: there is none.
        """
        return self._get(ItemView, f"/v1/items/{_in_path(item_id)}", language=language)

    def put_items(self, items: Iterable[Mapping[str, Any]]) -> int:
        """Adds or replaces items, a thousand at a time; how many. What a record leaves out is emptied."""
        return sum(
            self._record(CatalogueChange, "PUT", "/v1/items", json={"items": batch}).items for batch in _batches(items)
        )

    def patch_items(self, changes: Iterable[Mapping[str, Any]]) -> PatchedItems:
        """Changes only the fields that are given, a thousand items at a time: feeds of stock and prices.

        Args:
            changes: an ``item_id`` each and what changes of it; None empties a field.
        """
        total = PatchedItems(version=0, items=0, changed=0, unknown=())
        for batch in _batches(changes):
            one = self._record(PatchedItems, "PATCH", "/v1/items", json={"items": batch})
            unknown = (*total.unknown, *one.unknown)
            total = PatchedItems(one.version, total.items + one.items, total.changed + one.changed, unknown)
        return total

    def patch_item(self, item_id: str, **changes: Any) -> None:
        """Changes only the fields that are given of one item; None empties one.

        Raises:
            NotFoundError: there is no such item.
        """
        self._answer("PATCH", f"/v1/items/{_in_path(item_id)}", json=changes)

    def put_picture(self, item_id: str, picture: Path | bytes, *, number: int = 0) -> str:
        """Gives an item a picture; where it can be seen."""
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
        path = f"/v1/items/{_in_path(item_id)}/picture"
        files = {"file": ("picture", data)}
        return self._record(NewPicture, "PUT", path, params={"number": number}, files=files).picture

    def delete_items(self, item_ids: Sequence[str]) -> int:
        """Deletes items; how many there were."""
        return sum(
            self._record(CatalogueChange, "POST", "/v1/items/delete", json={"item_ids": batch}).items
            for batch in _batches(item_ids)
        )

    def put_users(self, users: Iterable[Mapping[str, Any]]) -> int:
        """Adds or changes shoppers, a thousand at a time; how many."""
        return sum(
            self._record(UsersChange, "PUT", "/v1/users", json={"users": batch}).users for batch in _batches(users)
        )

    def send(self, events: Iterable[Event]) -> IngestedEvents:
        """Sends events, a thousand at a time; each counts once however often it must be sent."""
        total = IngestedEvents(added=0, repeated=0)
        for batch in _batches({"event_id": uuid.uuid4().hex, **event} for event in events):
            one = self._record(IngestedEvents, "POST", "/v1/interactions", json={"events": batch})
            repeated, unknown = total.repeated + one.repeated, total.unknown + one.unknown
            total = IngestedEvents(total.added + one.added, repeated, unknown)
        return total

    def say(self, user_id: str, item_id: str, kind: Kind, *, undo: bool = False) -> None:
        """Likes, dislikes, hides ... an item for a shopper, or takes it back."""
        path = f"/v1/users/{_in_path(user_id)}/feedback/{_in_path(item_id)}/{kind}"
        self._answer("DELETE" if undo else "PUT", path)

    def profile(self, user_id: str, *, language: str | None = None) -> Profile:
        """What is known about a shopper."""
        return self._get(Profile, f"/v1/users/{_in_path(user_id)}/profile", language=language)

    def change_profile(self, user_id: str, **changes: Any) -> Profile:
        """Changes ``personalise``, ``language``, ``taste`` or ``attributes``."""
        return self._record(Profile, "PATCH", f"/v1/users/{_in_path(user_id)}/profile", json=changes)

    def set_consent(self, user_id: str, purpose: str, granted: bool) -> Consents:
        """Keeps a shopper's word on a purpose."""
        body = {"purpose": purpose, "granted": granted}
        return self._record(Consents, "PUT", f"/v1/users/{_in_path(user_id)}/consents", json=body)

    def token(self, user_id: str) -> str:
        """A token that a signed-in customer's page may ask with."""
        return self._record(ShopperToken, "POST", f"/v1/users/{_in_path(user_id)}/token").token

    def export(self, user_id: str) -> Json:
        """Everything that is kept of a shopper."""
        return cast(Json, self._answer("GET", f"/v1/users/{_in_path(user_id)}/export").json())

    def erase(self, user_id: str) -> Mapping[str, int]:
        """Deletes everything that is kept of a shopper; number of rows by table."""
        return self._record(Erased, "DELETE", f"/v1/users/{_in_path(user_id)}").erased

    def trends(self, **filters: Any) -> TrendList:
        """What moves: ``dimension``, ``verdict``, ``segment``, ``text``, ``order``, ``n`` ... as in ``docs/api.md``.

        Raises:
            NotFoundError: there is no board yet.
        """
        from modaloom.api.schemas.trends import TrendList

        return self._get(TrendList, "/v1/trends", **filters)

    def trend(self, trend_id: str, *, language: str | None = None) -> TrendAnswer:
        """Everything about one trend, such as ``colour=sage``.

        Raises:
            NotFoundError: the board does not have it, or there is none yet.
        """
        from modaloom.api.schemas.trends import TrendAnswer

        return self._get(TrendAnswer, f"/v1/trends/{_in_path(trend_id)}", language=language)

    def terms(self, **filters: Any) -> TermList:
        """Search terms: ``state``, ``language``, ``answered``, ``text``, ``n`` ..."""
        from modaloom.api.schemas.trends import TermList

        return self._get(TermList, "/v1/trends/terms", **filters)

    def gaps(self, **filters: Any) -> GapList:
        """Gaps between demand and assortment: ``state``, ``dimension``, ``text``, ``n`` ..."""
        from modaloom.api.schemas.trends import GapList

        return self._get(GapList, "/v1/trends/gaps", **filters)

    def alerts(self, *, n: int | None = None) -> AlertList:
        """What wants attention now."""
        from modaloom.api.schemas.trends import AlertList

        return self._get(AlertList, "/v1/trends/alerts", n=n)

    def arrivals(self, *, n: int | None = None, language: str | None = None) -> ArrivalList:
        """New pieces, and what to expect of them."""
        from modaloom.api.schemas.trends import ArrivalList

        return self._get(ArrivalList, "/v1/trends/arrivals", n=n, language=language)

    def trend_file(self, path: str, **params: Any) -> bytes:
        """A file of the board, by its path below ``/v1/trends/``.

        ``export`` (``format``, ``part``), ``report.html``, ``report.md``; of one trend, its id quoted,
        ``colour%3Dsage/chart.png``, ``colour%3Dsage/chart.svg`` and ``colour%3Dsage/series.csv``.
        """
        return self._answer("GET", f"/v1/trends/{path}", params=params).content

    def trend_state(self) -> BoardState:
        """Whether there is a board, and whether one is being made."""
        from modaloom.api.schemas.trends import BoardState

        return self._get(BoardState, "/v1/trends/state")

    def make_trends(self) -> BoardState:
        """Begins to make a new board, with an admin key; how it stands."""
        from modaloom.api.schemas.trends import BoardState

        return self._record(BoardState, "POST", "/v1/admin/trends")

    def ready(self) -> bool:
        """Whether the service can answer."""
        try:
            return self._http.get("/ready").status_code == 200
        except httpx.TransportError:
            return False

    def _get(self, kind: type[R], path: str, **params: Any) -> R:
        given = {name: value for name, value in params.items() if value is not None}
        return self._record(kind, "GET", path, params=given)

    def _record(self, kind: type[R], method: str, path: str, **values: Any) -> R:
        """The record that the answer is; fields that a newer service adds are passed over."""
        content = self._answer(method, path, **values).json()
        try:
            record: R = _adapter(cast(Any, kind)).validate_python(content)
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))
            what = f"the service answers with another {kind.__name__}: {place}"
            raise ServeError(what, hint="Use a client of the service's version") from error
        return record

    def _answer(self, method: str, path: str, *, retry: bool = True, **values: Any) -> httpx.Response:
        for tries_left in range(self._tries - 1, -1, -1):
            try:
                answer = self._http.request(method, path, **values)
            except httpx.TransportError as error:
                if not (retry and tries_left):
                    raise ServeError(
                        f"the service does not answer: {type(error).__name__}",
                        where=str(self._http.base_url),
                        hint="See whether it runs",
                    ) from error
                time.sleep(0.2)
                continue
            if answer.is_success:
                return answer
            if not (answer.status_code in RETRIED and retry and tries_left):
                break
            time.sleep(_wait_s(answer))
        raise _error_of(answer)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _wait_s(answer: httpx.Response) -> float:
    told = answer.headers.get("Retry-After", "")
    return min(float(told) if told.isdigit() else 1.0, LONGEST_WAIT_S)


def _error_of(answer: httpx.Response) -> ModaloomError:
    try:
        error = answer.json()["error"]
        code, message, hint, request_id = (error[name] for name in ("code", "message", "hint", "request_id"))
    except (ValueError, KeyError, TypeError):  # not the service: something on the way
        return RequestError(answer.status_code, "unexpected", answer.reason_phrase or "no answer")
    if answer.status_code == 404:
        return NotFoundError(message, hint=hint)
    if answer.status_code == 422:
        return QueryError(message, hint=hint)
    return RequestError(answer.status_code, code, message, hint=hint, request_id=request_id)


def _in_path(text: str) -> str:
    return quote(text, safe="")


def _batches(things: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(things)
    while batch := list(islice(rest, BATCH)):
        yield batch
