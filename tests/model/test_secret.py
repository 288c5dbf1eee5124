import pickle

import msgspec
import pytest

from keeper.model.secret import Secret

CANARY = "canary-5d1f"


def test_a_secret_is_told_only_to_who_asks() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    for shown in (repr(secret), str(secret), f"{secret}", repr([secret]), repr({"k": secret})):
        assert CANARY not in shown


def test_a_secret_is_not_serialised() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret(CANARY))
