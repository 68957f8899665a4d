"""Webhooks against a real receiver on loopback: signatures, retries, two secrets, replay, and where they may not go."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from moderation import holding, webhooks
from moderation.settings import Webhooks


class Receiver:
    """Takes POSTs and answers them as told; the last answer stays."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = [(200, {})]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def service(run_app):
    return run_app(webhooks=Webhooks(allow_loopback=True, timeout_seconds=30.0, max_attempts=3))


def withdrawn_clip(service, drawn, **metadata: object) -> str:
    """A clip with one event to tell."""
    files = {"file": drawn.read_bytes(), "metadata": (None, json.dumps(metadata))}
    clip = service.client.post("/v1/clips", files=files).json()["id"]
    service.client.post(f"/v1/clips/{clip}/withdraw")
    return clip


def deliveries(service) -> list[dict]:
    return service.client.get("/v1/webhooks/deliveries").json()["items"]


def attempt(service, delivery: dict) -> str:
    return webhooks.deliver(service.services, "default", delivery["id"])


def test_an_event_is_delivered_signed_and_once(service, receiver, drawn):
    made = service.client.post("/v1/webhooks", json={"url": receiver.url})
    assert made.status_code == 201
    assert "secret" not in service.client.get(f"/v1/webhooks/{made.json()['id']}").json()
    clip = withdrawn_clip(service, drawn)
    (delivery,) = deliveries(service)
    assert (delivery["state"], delivery["attempts"]) == ("pending", 0)
    assert attempt(service, delivery) == "delivered"
    headers, body = receiver.seen[0]
    told = Webhook(made.json()["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["clip_id"], told["data"]["sequence"]) == ("clip.withdrawn", clip, 1)
    assert headers["webhook-id"] == delivery["event_id"]
    assert headers["host"] == receiver.url.split("/")[2]
    assert attempt(service, delivery) == "settled"
    assert len(receiver.seen) == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(webhooks.new_secret()).verify(body, headers)


def test_a_failing_receiver_is_tried_again_with_the_same_id_and_at_last_given_up(service, receiver, drawn, dsn):
    service.client.post("/v1/webhooks", json={"url": receiver.url})
    withdrawn_clip(service, drawn)
    (delivery,) = deliveries(service)
    receiver.answers = [(500, {}), (503, {"Retry-After": "7200"}), (302, {"Location": receiver.url})]
    assert attempt(service, delivery) == "pending"
    (again,) = deliveries(service)
    assert (again["attempts"], again["last_status"]) == (1, 500)
    assert holding.resume_deliveries(service.services) == 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("update moderation.deliveries set next_at = now()")
        assert holding.resume_deliveries(service.services) == 1
        assert holding.resume_deliveries(service.services) == 0
        assert attempt(service, delivery) == "pending"
        (wait,) = connection.execute("select next_at - now() from moderation.deliveries").fetchone()
        assert timedelta(seconds=7100) < wait < timedelta(seconds=7300)
        runs = connection.execute("select count(*) from dbos.workflow_status where name = 'deliver_event'").fetchone()
    assert runs == (2,)
    assert attempt(service, delivery) == "dead"
    assert {headers["webhook-id"] for headers, _ in receiver.seen} == {delivery["event_id"]}
    assert len({body for _, body in receiver.seen}) == 1
    receiver.answers = [(200, {})]
    assert service.client.post(f"/v1/webhooks/deliveries/{delivery['id']}/replay").status_code == 202
    assert attempt(service, delivery) == "delivered"
    assert receiver.seen[-1][0]["webhook-id"] == delivery["event_id"]
    assert service.client.get("/v1/webhooks/deliveries", params={"state": "dead"}).json()["items"] == []


def test_a_first_attempt_that_was_lost_on_the_way_is_made_later(service, receiver, drawn, dsn):
    service.client.post("/v1/webhooks", json={"url": receiver.url})
    withdrawn_clip(service, drawn)
    assert holding.resume_deliveries(service.services) == 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("update moderation.deliveries set next_at = now() - interval '11 minutes'")
    assert holding.resume_deliveries(service.services) == 1


def test_two_secrets_are_valid_while_receivers_change_over(service, receiver):
    made = service.client.post("/v1/webhooks", json={"url": receiver.url}).json()
    second = service.client.post(f"/v1/webhooks/{made['id']}/rotate").json()["secret"]
    assert service.client.post(f"/v1/webhooks/{made['id']}/test").json() == {
        "delivered": True,
        "status": 200,
        "error": None,
    }
    for secret in (made["secret"], second):
        headers, body = receiver.seen[0]
        assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
    third = service.client.post(f"/v1/webhooks/{made['id']}/rotate").json()["secret"]
    service.client.post(f"/v1/webhooks/{made['id']}/test")
    headers, body = receiver.seen[1]
    Webhook(third).verify(body, headers)
    Webhook(second).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(body, headers)


def test_a_clips_own_callback_is_signed_with_the_organisations_secret(service, receiver, drawn):
    secret = service.client.post("/v1/webhooks/callback-secret").json()["secret"]
    withdrawn_clip(service, drawn, callback_url=receiver.url)
    (delivery,) = deliveries(service)
    assert delivery["endpoint_id"] is None
    assert attempt(service, delivery) == "delivered"
    headers, body = receiver.seen[0]
    assert Webhook(secret).verify(body, headers)["type"] == "clip.withdrawn"


def test_a_moved_or_removed_endpoint_is_followed(service, receiver, drawn):
    made = service.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/nothing"}).json()
    withdrawn_clip(service, drawn)
    (delivery,) = deliveries(service)
    assert attempt(service, delivery) == "pending"
    assert service.client.patch(f"/v1/webhooks/{made['id']}", json={"url": receiver.url}).json()["url"] == receiver.url
    assert attempt(service, delivery) == "delivered"
    withdrawn_clip(service, drawn)
    assert service.client.delete(f"/v1/webhooks/{made['id']}").status_code == 204
    (newest, _) = deliveries(service)
    assert attempt(service, newest) == "settled"
    assert deliveries(service)[0]["state"] == "dead"
    assert service.client.get("/v1/webhooks").json()["items"] == []
    assert service.client.delete(f"/v1/webhooks/{made['id']}").status_code == 404


def test_private_addresses_are_refused(run_app, receiver, drawn):
    service = run_app()
    for url in (
        receiver.url,
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "http://[::ffff:10.1.2.3]/",
    ):
        answer = service.client.post("/v1/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, "forbidden_destination"), url
    # A name says nothing of its address until it is looked up, at each attempt.
    service.client.post("/v1/webhooks", json={"url": receiver.url.replace("127.0.0.1", "localhost")})
    withdrawn_clip(service, drawn)
    (delivery,) = deliveries(service)
    assert attempt(service, delivery) == "pending"
    assert deliveries(service)[0]["last_error"] == "only public addresses are connected to"
    assert receiver.seen == []


def test_another_organisations_webhooks_are_not_there(service, receiver, drawn, dsn):
    made = service.client.post("/v1/webhooks", json={"url": receiver.url}).json()
    withdrawn_clip(service, drawn)
    (delivery,) = deliveries(service)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("insert into moderation.organisations (org_id) values ('other')")
    client = service.of_organisation("other")
    assert client.get("/v1/webhooks").json()["items"] == []
    assert client.get(f"/v1/webhooks/{made['id']}").status_code == 404
    assert client.post(f"/v1/webhooks/deliveries/{delivery['id']}/replay").status_code == 404
    assert client.get("/v1/clips").json()["items"] == []
    assert webhooks.deliver(service.services, "other", delivery["id"]) == "settled"
    assert receiver.seen == []
