"""Mounts, policies, tokens, health and wrapping through hvac."""
import hvac
from hvac.exceptions import Forbidden, InvalidRequest

client = hvac.Client()
assert client.is_authenticated()
assert client.sys.is_initialized() and not client.sys.is_sealed()
health = client.sys.read_health_status(method="GET")
assert health["initialized"] and not health["sealed"], health
assert client.sys.read_health_status(method="HEAD").status_code == 200
leader = client.sys.read_leader_status()
assert "ha_enabled" in leader, leader
status = client.sys.read_seal_status()
assert (status["t"], status["n"], status["type"]) == (1, 1, "shamir"), status

# Mounts.
client.sys.enable_secrets_engine("kv", path="deep/er", options={"version": "2"}, local=True)
mount = client.sys.list_mounted_secrets_engines()["data"]["deep/er/"]
assert mount["type"] == "kv" and mount["local"] is True and mount["options"] == {"version": "2"}, mount
try:
    client.sys.enable_secrets_engine("kv", path="deep/er")
    raise AssertionError("a path in use must be refused")
except InvalidRequest as error:
    assert "path is already in use" in str(error), error
client.sys.disable_secrets_engine("deep/er")

# Policies and what they mean.
client.secrets.kv.v2.create_or_update_secret("shared/a", {"x": "1"})
client.secrets.kv.v2.create_or_update_secret("private/a", {"x": "1"})
client.sys.create_or_update_policy("reader", '''
path "secret/data/shared/*" { capabilities = ["read"] }
path "secret/data/+/denied" { capabilities = ["deny"] }
''')
assert "reader" in client.sys.list_policies()["data"]["policies"]
assert "secret/data/shared" in client.sys.read_policy("reader")["data"]["rules"]
token = client.auth.token.create(policies=["reader"], ttl="1h", num_uses=0)["auth"]
assert sorted(token["policies"]) == ["default", "reader"] and token["lease_duration"] == 3600, token
reader = hvac.Client(token=token["client_token"])
assert reader.secrets.kv.v2.read_secret_version("shared/a", raise_on_deleted_version=True)
for denied in (lambda: reader.secrets.kv.v2.read_secret_version("private/a", raise_on_deleted_version=True),
               lambda: reader.secrets.kv.v2.create_or_update_secret("shared/a", {"x": "2"}),
               lambda: reader.sys.list_policies()):
    try:
        denied()
    except Forbidden:
        continue
    raise AssertionError("the policy must not allow this")

# Tokens.
assert reader.auth.token.lookup_self()["data"]["display_name"].startswith("token")
assert client.auth.token.lookup(token["client_token"])["data"]["accessor"] == token["accessor"]
assert reader.auth.token.renew_self(increment="30m")["auth"]["lease_duration"] == 1800
child = client.auth.token.create(policies=["reader"], num_uses=1)["auth"]["client_token"]
once = hvac.Client(token=child)
assert once.auth.token.lookup_self()
try:
    once.auth.token.lookup_self()
    raise AssertionError("a token with one use must be gone after it")
except Forbidden:
    pass
reader.auth.token.revoke_self()
assert not reader.is_authenticated()
client.sys.delete_policy("reader")
assert "reader" not in client.sys.list_policies()["data"]["policies"]
print("ok")
