"""Transit through hvac: three key types, rotation, rewrap, batches, signatures."""
import base64

import hvac
from hvac.exceptions import InvalidRequest

client = hvac.Client()
client.sys.enable_secrets_engine("transit")
transit = client.secrets.transit


def b64(text):
    return base64.b64encode(text.encode()).decode()


def refused(call):
    try:
        call()
    except InvalidRequest:
        return
    raise AssertionError("must be refused")


for kind in ("aes256-gcm96", "chacha20-poly1305"):
    name = f"key-{kind}"
    transit.create_key(name, key_type=kind)
    key = transit.read_key(name)["data"]
    assert key["type"] == kind and key["latest_version"] == 1 and key["supports_encryption"], key
    one = transit.encrypt_data(name, plaintext=b64("one"))["data"]["ciphertext"]
    assert one.startswith("vault:v1:"), one
    assert one != transit.encrypt_data(name, plaintext=b64("one"))["data"]["ciphertext"]
    transit.rotate_key(name)
    two = transit.encrypt_data(name, plaintext=b64("two"))["data"]["ciphertext"]
    assert two.startswith("vault:v2:"), two
    for ciphertext, text in ((one, "one"), (two, "two")):
        assert transit.decrypt_data(name, ciphertext=ciphertext)["data"]["plaintext"] == b64(text)
    again = transit.rewrap_data(name, ciphertext=one)["data"]["ciphertext"]
    assert again.startswith("vault:v2:")
    assert transit.decrypt_data(name, ciphertext=again)["data"]["plaintext"] == b64("one")
    batch = transit.encrypt_data(name, batch_input=[{"plaintext": b64(str(n))} for n in range(50)])
    items = [{"ciphertext": r["ciphertext"]} for r in batch["data"]["batch_results"]]
    back = transit.decrypt_data(name, batch_input=items)["data"]["batch_results"]
    assert [r["plaintext"] for r in back] == [b64(str(n)) for n in range(50)]
    transit.update_key_configuration(name, min_decryption_version=2)
    refused(lambda: transit.decrypt_data(name, ciphertext=one))
    refused(lambda: transit.decrypt_data(name, ciphertext=two[:-8] + "AAAAAAA="))
    refused(lambda: transit.decrypt_data(name, ciphertext="not a ciphertext"))
    refused(lambda: transit.sign_data(name, hash_input=b64("x")))

transit.create_key("signer", key_type="ed25519")
signature = transit.sign_data("signer", hash_input=b64("message"))["data"]["signature"]
assert signature.startswith("vault:v1:"), signature
check = lambda text: transit.verify_signed_data("signer", hash_input=b64(text), signature=signature)
assert check("message")["data"]["valid"] is True
assert check("another")["data"]["valid"] is False
refused(lambda: transit.encrypt_data("signer", plaintext=b64("x")))

assert transit.list_keys()["data"]["keys"] == ["key-aes256-gcm96", "key-chacha20-poly1305", "signer"]
refused(lambda: transit.delete_key("signer"))
transit.update_key_configuration("signer", deletion_allowed=True)
transit.delete_key("signer")
assert "signer" not in transit.list_keys()["data"]["keys"]
print("ok")
