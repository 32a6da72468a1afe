"""Key-value version 1 through hvac. Usage: kv1.py (VAULT_ADDR and VAULT_TOKEN say where)."""
import hvac
from hvac.exceptions import InvalidPath

client = hvac.Client()
client.sys.enable_secrets_engine("kv", path="kv1", options={"version": "1"})
kv = client.secrets.kv.v1

kv.create_or_update_secret("app/db", {"user": "u", "password": "p", "n": 3}, mount_point="kv1")
read = kv.read_secret("app/db", mount_point="kv1")
assert read["data"] == {"user": "u", "password": "p", "n": 3}, read
assert read["lease_duration"] == 2764800 and read["lease_id"] == "", read

kv.create_or_update_secret("app/db", {"user": "v"}, mount_point="kv1")
assert kv.read_secret("app/db", mount_point="kv1")["data"] == {"user": "v"}
kv.create_or_update_secret("app", {"leaf": "beside the folder"}, mount_point="kv1")
kv.create_or_update_secret("zoo", {"x": "y"}, mount_point="kv1")
assert kv.list_secrets("", mount_point="kv1")["data"]["keys"] == ["app", "app/", "zoo"]
assert kv.list_secrets("app", mount_point="kv1")["data"]["keys"] == ["db"]

kv.delete_secret("app/db", mount_point="kv1")
for missing in (lambda: kv.read_secret("app/db", mount_point="kv1"),
                lambda: kv.list_secrets("app", mount_point="kv1"),
                lambda: kv.read_secret("never", mount_point="kv1")):
    try:
        missing()
    except InvalidPath:
        continue
    raise AssertionError("a missing path must answer 404")

client.sys.disable_secrets_engine("kv1")
assert "kv1/" not in client.sys.list_mounted_secrets_engines()["data"]
print("ok")
