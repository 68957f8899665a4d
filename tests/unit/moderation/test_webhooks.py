"""The pauses between attempts and the signatures of a delivery."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from moderation import webhooks
from moderation.settings import Settings


def test_attempts_go_on_for_three_days_at_least():
    pauses = [webhooks.pause_after(attempts, 0.0) for attempts in range(1, Settings().webhooks.max_attempts)]
    assert sum(pauses, timedelta()) >= timedelta(hours=72)
    assert pauses[0] == timedelta(seconds=5)
    assert max(pauses) == webhooks.LONGEST_PAUSE
    assert all(later >= earlier for earlier, later in pairwise(pauses))
    assert webhooks.pause_after(1, 1.0) == timedelta(seconds=6)


def test_every_valid_secret_signs_id_time_and_body():
    first, second = webhooks.new_secret(), webhooks.new_secret()
    message = webhooks.Message(webhook_id="evt_1", url="", body='{"a":"é"}', secrets=(first, second))
    headers = webhooks.signed_headers(message, datetime.now(UTC))
    for secret in (first, second):
        assert Webhook(secret).verify(message.body, headers) == {"a": "é"}
    for changed in ({"webhook-id": "evt_2"}, {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(first).verify(message.body, headers | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(first).verify(message.body + " ", headers)
