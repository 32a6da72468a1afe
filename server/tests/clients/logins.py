"""Every auth method by hvac: userpass, approle, jwt and, over TLS, cert."""

import os

import hvac

ADDRESS = os.environ["VAULT_ADDR"]
CA = os.environ["VAULT_CACERT"]
FOLDER = os.environ["CERTIFICATES"]


def client(token=None):
    return hvac.Client(url=ADDRESS, token=token, verify=CA)


def read(name):
    with open(os.path.join(FOLDER, name), encoding="ascii") as file:
        return file.read()


root = client(os.environ["VAULT_TOKEN"])
root.sys.create_or_update_policy("web", 'path "secret/*" { capabilities = ["read"] }')

# userpass
root.sys.enable_auth_method("userpass")
root.auth.userpass.create_or_update_user("bob", password="p", policies="web")
assert root.auth.userpass.list_user()["data"]["keys"] == ["bob"]
user = client()
user.auth.userpass.login("bob", "p")
assert user.is_authenticated()
assert user.lookup_token()["data"]["policies"] == ["default", "web"]
root.auth.userpass.update_password_on_user("bob", "q")
try:
    client().auth.userpass.login("bob", "p")
    raise AssertionError("the old password still works")
except hvac.exceptions.InvalidRequest:
    pass

# approle
root.sys.enable_auth_method("approle")
root.auth.approle.create_or_update_approle("app", token_policies=["web"], token_ttl="10m")
role = root.auth.approle.read_role_id("app")["data"]["role_id"]
secret = root.auth.approle.generate_secret_id("app")["data"]["secret_id"]
machine = client()
auth = machine.auth.approle.login(role, secret)["auth"]
assert auth["metadata"]["role_name"] == "app" and auth["lease_duration"] == 600
assert machine.auth.token.renew_self()["auth"]["lease_duration"] == 600

# jwt
root.sys.enable_auth_method("jwt")
root.auth.jwt.configure(jwt_validation_pubkeys=[read("jwt.pub")], bound_issuer="me")
assert root.auth.jwt.read_config()["data"]["bound_issuer"] == "me"
root.auth.jwt.create_role(
    "dev", "sub", [], role_type="jwt", bound_audiences=["app"], token_policies=["web"]
)
assert root.auth.jwt.list_roles()["data"]["keys"] == ["dev"]
assert root.auth.jwt.read_role("dev")["data"]["user_claim"] == "sub"
signed = client()
auth = signed.auth.jwt.jwt_login("dev", read("jwt"))["auth"]
assert auth["metadata"] == {"role": "dev"} and "web" in auth["policies"]
signed.token = auth["client_token"]
assert signed.lookup_token()["data"]["display_name"] == "jwt-bob"
root.auth.jwt.delete_role("dev")

# cert
root.sys.enable_auth_method("cert")
root.auth.cert.create_ca_certificate_role("web", certificate=read("ca.pem"), token_policies="web")
assert root.auth.cert.list_certificate_roles()["data"]["keys"] == ["web"]
shown = root.auth.cert.read_ca_certificate_role("web")["data"]
assert shown["display_name"] == "web"
holder = client()
holder.auth.cert.login(
    name="web",
    cert_pem=os.path.join(FOLDER, "client.pem"),
    key_pem=os.path.join(FOLDER, "client.key"),
)
assert holder.lookup_token()["data"]["display_name"] == "cert-web"
root.auth.cert.configure_tls_certificate(disable_binding=True)
root.auth.cert.delete_certificate_role("web")
print("ok")
