"""A replication set through hvac: a primary and two secondaries, whose addresses are arguments of the
environment."""
import os
import time

import hvac
from hvac.exceptions import InvalidPath

token = os.environ["VAULT_TOKEN"]
primary, one, two = (
    hvac.Client(url=os.environ[name], token=token) for name in ("PRIMARY", "ONE", "TWO")
)
PATIENCE = 30  # seconds; a machine that is busy is not a cluster that is broken


def soon(call):
    """The call's answer as soon as the path is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except InvalidPath:
            assert time.monotonic() < deadline, "it never arrived"
            time.sleep(0.02)


def gone(call):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            call()
        except InvalidPath:
            return
        assert time.monotonic() < deadline, "it never went"
        time.sleep(0.02)


def read(client, path):
    return client.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True)["data"]["data"]


primary.secrets.kv.v2.create_or_update_secret("hvac/a", {"from": "primary"})
for client in (one, two):
    assert soon(lambda client=client: read(client, "hvac/a")) == {"from": "primary"}

# Written through a secondary, read back from it at once, and everywhere soon.
one.secrets.kv.v2.create_or_update_secret("hvac/b", {"from": "one"})
assert read(one, "hvac/b") == {"from": "one"}
for client in (primary, two):
    assert soon(lambda client=client: read(client, "hvac/b")) == {"from": "one"}
for client in (primary, one, two):
    assert client.secrets.kv.v2.list_secrets("hvac")["data"]["keys"] == ["a", "b"]

# Transit: a key made through one, encrypted on one, decrypted on the other.
one.sys.enable_secrets_engine("transit", path="hvac-transit")
one.secrets.transit.create_key("app", mount_point="hvac-transit")
sealed = one.secrets.transit.encrypt_data("app", "aGVsbG8=", mount_point="hvac-transit")["data"]
soon(lambda: two.secrets.transit.read_key("app", mount_point="hvac-transit"))
plain = two.secrets.transit.decrypt_data("app", sealed["ciphertext"], mount_point="hvac-transit")
assert plain["data"]["plaintext"] == "aGVsbG8=", plain

two.secrets.kv.v2.delete_metadata_and_all_versions("hvac/a")
for client in (primary, one, two):
    gone(lambda client=client: read(client, "hvac/a"))
print("ok")
