"""Key-value version 2 through hvac, on the mount secret/ of development mode."""
import hvac
from hvac.exceptions import InvalidPath, InvalidRequest

client = hvac.Client()
kv = client.secrets.kv.v2


def refused(call, error=InvalidRequest):
    try:
        call()
    except error:
        return
    raise AssertionError("must be refused")


first = kv.create_or_update_secret("team/app", {"a": "1", "b": {"c": [1, 2, None]}})
assert first["data"]["version"] == 1, first
read = kv.read_secret_version("team/app", raise_on_deleted_version=True)
assert read["data"]["data"] == {"a": "1", "b": {"c": [1, 2, None]}}, read
assert read["data"]["metadata"]["version"] == 1

# Check and set.
refused(lambda: kv.create_or_update_secret("team/app", {"a": "2"}, cas=0))
assert kv.create_or_update_secret("team/app", {"a": "2"}, cas=1)["data"]["version"] == 2
assert kv.patch("team/app", {"z": "9"})["data"]["version"] == 3
assert kv.read_secret_version("team/app", raise_on_deleted_version=True)["data"]["data"] == {"a": "2", "z": "9"}
old = kv.read_secret_version("team/app", version=1, raise_on_deleted_version=True)
assert old["data"]["data"]["a"] == "1"
refused(lambda: kv.patch("team/none", {"z": "9"}), InvalidPath)

# Delete, undelete, destroy.
kv.delete_latest_version_of_secret("team/app")
refused(lambda: kv.read_secret_version("team/app", raise_on_deleted_version=True), InvalidPath)
deleted = kv.read_secret_version("team/app", raise_on_deleted_version=False)
assert deleted["data"]["data"] is None and deleted["data"]["metadata"]["deletion_time"] != ""
kv.undelete_secret_versions("team/app", [3])
assert kv.read_secret_version("team/app", raise_on_deleted_version=True)["data"]["data"]["z"] == "9"
kv.delete_secret_versions("team/app", [1, 2])
kv.destroy_secret_versions("team/app", [1])
versions = kv.read_secret_metadata("team/app")["data"]["versions"]
assert versions["1"]["destroyed"] and not versions["2"]["destroyed"], versions
assert versions["2"]["deletion_time"] != "" and versions["3"]["deletion_time"] == ""

# Metadata and settings.
kv.update_metadata("team/app", max_versions=2, custom_metadata={"owner": "x"})
meta = kv.read_secret_metadata("team/app")["data"]
assert meta["max_versions"] == 2 and meta["custom_metadata"] == {"owner": "x"}, meta
for number in range(4, 7):
    assert kv.create_or_update_secret("team/app", {"n": number})["data"]["version"] == number
meta = kv.read_secret_metadata("team/app")["data"]
assert sorted(meta["versions"]) == ["5", "6"] and meta["oldest_version"] == 5, meta
kv.configure(max_versions=7, cas_required=True)
config = kv.read_configuration()["data"]
assert config["max_versions"] == 7 and config["cas_required"] is True, config
refused(lambda: kv.create_or_update_secret("other", {"a": "1"}))
kv.configure(max_versions=0, cas_required=False)

# Lists.
kv.create_or_update_secret("top", {"a": "1"})
assert kv.list_secrets("")["data"]["keys"] == ["team/", "top"]
assert kv.list_secrets("team")["data"]["keys"] == ["app"]
kv.delete_metadata_and_all_versions("team/app")
refused(lambda: kv.list_secrets("team"), InvalidPath)
refused(lambda: kv.read_secret_metadata("team/app"), InvalidPath)
print("ok")
