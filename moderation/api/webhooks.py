"""The routes of webhooks: endpoints and their secrets, what was delivered, replay, a test event."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from moderation import webhooks
from moderation.api.auth import Admin, Services_
from moderation.api.schemas import Endpoint, EndpointChange
from moderation.verdicts import moment

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.get("")
def list_endpoints(services: Services_, principal: Admin) -> Response:
    """Where events go."""
    found = webhooks.list_endpoints(services, principal.org)
    return JSONResponse({"items": [_line(endpoint) for endpoint in found], "next_cursor": None})


@router.post("", status_code=201)
def create_endpoint(wanted: Endpoint, services: Services_, principal: Admin) -> Response:
    """Add an endpoint. Its secret is in this answer and never shown again."""
    endpoint, secret = webhooks.create_endpoint(services, principal.org, wanted.url, by=principal.principal)
    headers = {"Location": f"/v1/webhooks/{endpoint.endpoint_id}"}
    return JSONResponse({**_line(endpoint), "secret": secret}, status_code=201, headers=headers)


@router.get("/deliveries")
def list_deliveries(
    services: Services_,
    principal: Admin,
    *,
    state: Annotated[Literal["pending", "delivered", "dead"] | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Deliveries, newest first, with what became of the last attempt."""
    found = webhooks.list_deliveries(services, principal.org, state=state, after=cursor, limit=limit + 1)
    page = found[:limit]
    following = page[-1].delivery_id if len(found) > limit else None
    return JSONResponse({"items": [_delivery(delivery) for delivery in page], "next_cursor": following})


@router.post("/deliveries/{delivery_id}/replay", status_code=202)
def replay(delivery_id: str, services: Services_, principal: Admin) -> Response:
    """Send a delivery again, whatever became of it; same webhook id, same body."""
    webhooks.replay(services, principal.org, delivery_id)
    return JSONResponse({"id": delivery_id, "state": "pending"}, status_code=202)


@router.post("/callback-secret")
def rotate_callback_secret(services: Services_, principal: Admin) -> Response:
    """A new secret for what goes to clips' own `callback_url`; the one before stays valid until the next rotation."""
    return JSONResponse({"secret": webhooks.rotate_callback_secret(services, principal.org, by=principal.principal)})


@router.get("/{endpoint_id}")
def read_endpoint(endpoint_id: str, services: Services_, principal: Admin) -> Response:
    """One endpoint, without its secrets."""
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(_line(webhooks.read_endpoint(tx, endpoint_id)))


@router.patch("/{endpoint_id}")
def change_endpoint(endpoint_id: str, change: EndpointChange, services: Services_, principal: Admin) -> Response:
    """Move an endpoint, or switch it off and on."""
    endpoint = webhooks.change_endpoint(
        services, principal.org, endpoint_id, by=principal.principal, url=change.url, enabled=change.enabled
    )
    return JSONResponse(_line(endpoint))


@router.delete("/{endpoint_id}", status_code=204)
def remove_endpoint(endpoint_id: str, services: Services_, principal: Admin) -> Response:
    """Tell an endpoint nothing more."""
    webhooks.remove_endpoint(services, principal.org, endpoint_id, by=principal.principal)
    return Response(status_code=204)


@router.post("/{endpoint_id}/rotate")
def rotate_secret(endpoint_id: str, services: Services_, principal: Admin) -> Response:
    """A new secret; the one before stays valid until the next rotation, so that receivers can change over."""
    secret = webhooks.rotate_secret(services, principal.org, endpoint_id, by=principal.principal)
    return JSONResponse({"id": endpoint_id, "secret": secret})


@router.post("/{endpoint_id}/test")
def send_test(endpoint_id: str, services: Services_, principal: Admin) -> Response:
    """Send a signed `webhook.test` now and say what the receiver answered."""
    outcome = webhooks.send_test(services, principal.org, endpoint_id)
    return JSONResponse({"delivered": outcome.taken, "status": outcome.status, "error": outcome.error or None})


def _line(endpoint: webhooks.Endpoint) -> dict[str, object]:
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "enabled": endpoint.enabled,
        "created_at": moment(endpoint.created_at),
    }


def _delivery(delivery: webhooks.Delivery) -> dict[str, object]:
    return {
        "id": delivery.delivery_id,
        "event_id": delivery.event_id,
        "endpoint_id": delivery.endpoint_id,
        "url": delivery.url,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_at": moment(delivery.next_at) if delivery.state == "pending" else None,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "delivered_at": moment(delivery.delivered_at),
    }
