"""Shoppers: who they are, what is known of them, what they agreed to, and how all of it goes away."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from modaloom.api.middleware.errors import Refused
from modaloom.api.routes.wardrobe import drop_photos
from modaloom.api.schemas.answers import (
    Consents,
    Decision,
    DemoShopper,
    DemoShoppers,
    Erased,
    Permission,
    ShopperToken,
    UsersChange,
)
from modaloom.api.schemas.asks import ConsentIn, Id, Language, ProfilePatch, ShopperIn, UserIn, UsersIn
from modaloom.api.service import COOKIE, ME, PageCaller, Service, ShopCaller, StrictRoute, TheService, dumps, in_pool
from modaloom.errors import BundleError, StoreError
from modaloom.privacy import ANONYMOUS, PURPOSES, RESEARCH
from modaloom.shop.registry import BUNDLES, recalled
from modaloom.shop.requests import Profile
from modaloom.shop.shoppers import erase_pasts
from modaloom.storage.contract import Consent, ShopUser
from modaloom.types import DAY_S

router = APIRouter(tags=["shoppers"], route_class=StrictRoute)
MAX_TASTES = 500


@router.post("/v1/shoppers")
def new_shopper(
    request: Request, response: Response, service: TheService, caller: PageCaller, body: ShopperIn | None = None
) -> ShopperToken:
    """Makes an anonymous shopper and sets the cookie; or takes the place of a demo shopper."""
    asked = body or ShopperIn.model_validate({})
    if asked.as_ is not None and asked.as_ not in service.settings.demo_shoppers:
        raise Refused(403, "forbidden", "there is no such demo shopper", hint="GET /v1/demo/shoppers lists them")
    if caller.scope == "page":
        service.newcomers.spend(caller.address, "too many new shoppers from this address")
    user_id = asked.as_ or ANONYMOUS + secrets.token_hex(12)
    if asked.as_ is None and asked.language:
        service.store.upsert_users([ShopUser(user_id, language=asked.language)])
    issued = ShopperToken(user_id, *service.tokens.issue(user_id))
    secure = service.settings.secure_cookies
    response.set_cookie(
        COOKIE,
        issued.token,
        max_age=service.settings.shopper_days * DAY_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https" if secure is None else secure,
    )
    return issued


@router.get("/v1/demo/shoppers")
def demo_shoppers(service: TheService, caller: PageCaller) -> DemoShoppers:
    """Shoppers whose place a visitor may take; none on a real shop."""
    return DemoShoppers(tuple(DemoShopper(*one) for one in service.settings.demo_shoppers.items()))


@router.post("/v1/users/{user_id}/token")
def token(service: TheService, caller: ShopCaller, user_id: Id) -> ShopperToken:
    """A token for a customer who is signed in at the shop; the page sends it as `X-Shopper-Token`."""
    if user_id == ME:
        raise Refused(422, "invalid", "user_id: 'me' is nobody's id", hint="Name the customer")
    return ShopperToken(user_id, *service.tokens.issue(user_id))


@router.put("/v1/users")
@in_pool("ingest_pool")
def put_users(service: TheService, caller: ShopCaller, body: UsersIn) -> UsersChange:
    """Adds shoppers, or changes what is given; what a shopper said themselves stays unless it is given too."""
    if any(user.user_id == ME for user in body.users):
        raise Refused(422, "invalid", "users: 'me' is nobody's id")
    merged: dict[str, ShopUser] = {}
    for user in body.users:
        known = merged.get(user.user_id) or service.store.user(user.user_id) or ShopUser(user.user_id)
        merged[user.user_id] = _merged(known, user)
    service.store.upsert_users(list(merged.values()))
    if number := sum(user.declared is not None for user in body.users):
        service.log.line("audit", action="declare", rows=number)
    return UsersChange(len(merged))


def _merged(known: ShopUser, given: UserIn) -> ShopUser:
    values = given.model_dump(exclude_unset=True, exclude={"user_id"})
    return replace(known, **{name: value for name, value in values.items() if value is not None or name == "language"})


@router.get("/v1/users/{user_id}/profile")
def profile(service: TheService, caller: PageCaller, user_id: Id, language: Language | None = None) -> Profile:
    """What is known about a shopper, in their own words."""
    return service.live.profile(service.acting(caller, user_id), language or service.settings.language)


@router.patch("/v1/users/{user_id}/profile")
def patch_profile(
    service: TheService, caller: PageCaller, user_id: Id, body: ProfilePatch, language: Language | None = None
) -> Profile:
    """Changes what a shopper sets by hand; null takes a taste or a fact back."""
    user = service.acting(caller, user_id)
    with service.user_lock(user):
        known = service.store.user(user) or ShopUser(user)
        taste = _patched(known.taste, body.taste)
        if len(taste) > MAX_TASTES:
            raise Refused(409, "full", f"a shopper has at most {MAX_TASTES} tastes", hint="Take some back")
        changed = replace(known, taste=taste, attributes=_patched(known.attributes, body.attributes))
        if "language" in body.model_fields_set:
            changed = replace(changed, language=body.language)
        service.store.upsert_users([changed])
    if body.personalise is not None and body.personalise != known.personalise:
        _keep_word(service, user, ConsentIn(purpose="personalise", granted=body.personalise))
    return service.live.profile(user, language or body.language or service.settings.language)


def _patched(known: Any, given: Any) -> dict[str, Any]:
    return {name: value for name, value in {**known, **(given or {})}.items() if value is not None}


@router.get("/v1/users/{user_id}/consents")
def consents(service: TheService, caller: PageCaller, user_id: Id) -> Consents:
    """What a shopper agreed to, and everything said before."""
    return _consents(service, service.acting(caller, user_id))


@router.put("/v1/users/{user_id}/consents")
def put_consent(service: TheService, caller: PageCaller, user_id: Id, body: ConsentIn) -> Consents:
    """Keeps a shopper's word. Without `photos`, all photos are deleted; without `personalise`, lists are impersonal."""
    user = service.acting(caller, user_id)
    _keep_word(service, user, body)
    return _consents(service, user)


def _keep_word(service: Service, user_id: str, word: ConsentIn) -> None:
    service.store.add_consent(Consent(user_id, word.purpose, word.granted, int(time.time())))
    service.log.line("audit", action="consent", purpose=word.purpose, granted=word.granted)
    with service.user_lock(user_id):
        if word.purpose == "personalise":
            known = service.store.user(user_id) or ShopUser(user_id)
            service.store.upsert_users([replace(known, personalise=word.granted)])
        elif word.purpose == "photos" and not word.granted:
            with_photo = [entry for entry in service.store.wardrobe(user_id) if entry.photo]
            for entry in with_photo:
                service.store.add_to_wardrobe(replace(entry, photo=None))
            drop_photos(service, with_photo)
        elif word.purpose == RESEARCH and not word.granted:
            _erase_from_bundles(service, user_id)


def _consents(service: Service, user_id: str) -> Consents:
    said = service.store.consents(user_id)
    newest = {consent.purpose: consent for consent in said}
    known, now = service.store.user(user_id), service.store.granted(user_id)
    by_shop = known is not None and known.declared
    return Consents(
        consents=tuple(
            Permission(
                purpose,
                granted=now[purpose],
                timestamp=newest[purpose].timestamp if purpose in newest else None,
                basis="word" if purpose in newest else "shop" if purpose == RESEARCH and by_shop else "default",
            )
            for purpose in PURPOSES
        ),
        history=tuple(Decision(one.purpose, one.granted, one.timestamp) for one in said),
    )


@router.get("/v1/users/{user_id}/export")
async def export(service: TheService, caller: PageCaller, user_id: Id) -> Response:
    """Everything that is kept of a shopper."""

    def work() -> bytes:
        user = service.acting(caller, user_id)
        service.exposures.flush()
        kept = dict(service.store.export_user(user))
        service.log.line("audit", action="export")
        kept["photos"] = [entry.photo for entry in service.store.wardrobe(user) if entry.photo]
        return dumps(kept)

    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="modaloom.json"'}
    return Response(await service.pool.run(work), 200, headers, "application/json")


@router.delete("/v1/users/{user_id}")
def erase(response: Response, service: TheService, caller: PageCaller, user_id: Id) -> Erased:
    """Deletes everything that is kept of a shopper; their tokens are void from now on.

    From the store, the photos, and the pasts beside the bundles; a store in a file overwrites the bytes within ten
    minutes. What was learned from many shoppers together stays in
    the weights until the shop learns anew.
    """
    rows = erased(service, service.acting(caller, user_id))
    if caller.shopper is not None:
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return Erased(rows)


def erased(service: Service, user_id: str) -> dict[str, int]:
    """Number of rows by table, of photos, and of pasts beside bundles, that were deleted."""
    with service.user_lock(user_id):
        service.erasures.mark(user_id)  # first: what is under way from now on is refused
        service.exposures.discard(user_id)
        photos = drop_photos(service, service.store.wardrobe(user_id))
        rows = service.store.erase_user(user_id, scrub=False)
        service.upkeep.want_scrub()
        pasts = _erase_from_bundles(service, user_id)
    service.shoppers.forget(user_id)
    gone = {**rows, "photos": photos, "pasts": pasts}
    service.log.line("audit", action="erase", rows=sum(gone.values()))
    return gone


def _erase_from_bundles(service: Service, user_id: str) -> int:
    """From what is kept of shoppers beside the bundles; in how many places the shopper was.

    Raises:
        StoreError: a file cannot be written. Everything else is erased, and the call may be sent again.
    """
    try:
        return sum(erase_pasts(Path(folder), [user_id]) for folder in recalled(service.store, BUNDLES).values())
    except (BundleError, OSError) as error:
        what = f"all but a file beside a bundle is erased: {error}"
        raise StoreError(what, hint="Put that right, and send it again") from error
