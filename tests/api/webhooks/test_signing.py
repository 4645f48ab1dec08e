from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from api.webhooks import signing

# The example of the specification's libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_example_of_the_specification() -> None:
    made = signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", BODY, timestamp=1614265330, signed_with=[SECRET])
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_a_receiver_with_either_secret_verifies_and_one_with_neither_does_not() -> None:
    former, new, other = (signing.new_secret() for _ in range(3))
    now = int(datetime.now(UTC).timestamp())
    made = signing.headers("msg_1", BODY, timestamp=now, signed_with=[new, former])
    for secret in (former, new):
        assert Webhook(secret).verify(BODY, made) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, made)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY.replace("4", "5"), made)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_?"]
)
def test_other_texts_are_no_secrets(secret: str) -> None:
    with pytest.raises(ValueError, match="expected whsec_ and 24 to 64 bytes in base64"):
        signing.key_of(secret)
