//! What an OpenBao 2.7.2 server made with keys that it exported: read here, and made again where the
//! result is fixed by its input.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::super::key::{self, Settings, Stored};
use super::super::kind::Kind;
use super::super::material::Version;
use super::super::secret::Secret;
use super::super::wire::decode;
use super::{b64, mount};
use crate::engine::testing::Harness;
use crate::logical::Operation::Write;

fn with_material(settings: &Settings, material: &str, hmac_key: &str) -> Harness {
    let mut transit = mount();
    let now = SystemTime::UNIX_EPOCH.into();
    let mut stored = Stored::generate(settings, now).unwrap();
    let key = Secret::from_bytes(decode(material).unwrap());
    let mut version = Version::of(settings.kind, settings.derived, key, now).unwrap();
    version.hmac_key = Secret::from_bytes(decode(hmac_key).unwrap());
    stored.versions = BTreeMap::from([(1, version)]);
    transit.edit(|view| key::store(view, "k", &stored));
    transit
}

fn aead(kind: Kind, derived: bool, convergent: bool, material: &str) -> Harness {
    with_material(&Settings { kind, derived, convergent, ..Settings::default() }, material, "")
}

fn decrypts(transit: &mut Harness, ciphertext: &str, aad: &str) {
    let body =
        json!({"ciphertext": ciphertext, "context": b64("ctx"), "associated_data": b64(aad)});
    let answer = transit.ok(Write, "decrypt/k", body);
    assert_eq!(answer["plaintext"], b64("hello"));
}

fn hello() -> Value {
    json!({"plaintext": b64("hello"), "context": b64("ctx")})
}

#[test]
fn derived_aes256() {
    let key = "+oqi9NJJq53FjRZ/vBf8ObaRgclshn/6h4T3YHRG6MQ=";
    let mut transit = aead(Kind::Aes256Gcm96, true, false, key);
    decrypts(&mut transit, "vault:v1:sTbL8kTxM8MlbJJjrjOgH+I5fD7Pij61QUaitPf4J/VX", "");
    decrypts(&mut transit, "vault:v1:A9Nduv4FfNOnebhexC23rNfRPwKQ5cwWa2StEDQSpLfJ", "aad");
}

#[test]
fn convergent_aes256() {
    let key = "WSOhx2EFNk8j+1BD1hgzddUeGTwqlrjHrALmKd79Mj8=";
    let mut transit = aead(Kind::Aes256Gcm96, true, true, key);
    let ciphertext = "vault:v1:o5wIscE/fxYMpe503DJQJZjbDDACIt9IXDwcdfj5Xmk5";
    decrypts(&mut transit, ciphertext, "");
    decrypts(&mut transit, "vault:v1:o5wIscE/fxYMpe503DJQJZi7vhxqHQ4M4bhEp59X2PsZ", "aad");
    assert_eq!(transit.ok(Write, "encrypt/k", hello())["ciphertext"], ciphertext);
}

#[test]
fn convergent_aes128() {
    let key = "+erMGufmGnBat63vKecT2Q==";
    let mut transit = aead(Kind::Aes128Gcm96, true, true, key);
    let ciphertext = "vault:v1:Rn3nrHsaxi2DbHkYdUFfCkWkP84RPDpqhlVn8ur5uJTZ";
    decrypts(&mut transit, ciphertext, "");
    assert_eq!(transit.ok(Write, "encrypt/k", hello())["ciphertext"], ciphertext);
}

#[test]
fn chacha20() {
    let key = "ajTYgcVkWnT6jbGsvxINpCrVt7Ub9153mJIuFsuGoOM=";
    let mut transit = aead(Kind::ChaCha20Poly1305, false, false, key);
    decrypts(&mut transit, "vault:v1:yEobIuVPdbuWZ6fGgVwi6DhjNNrczm5xi1XCq9C4Xdgo", "");
    decrypts(&mut transit, "vault:v1:6B89Gh/96zJyL7Da/GNcX3N0UHUZhnluPFwdMYXhy1jE", "aad");
}

#[test]
fn ed25519_and_its_hmac_key() {
    let settings = Settings { kind: Kind::Ed25519, ..Settings::default() };
    let key =
        "nGJyE70/NIeuNonREAE/xPdaGmC96BIvK9pauop/P8siY4yRJaCU2mUGsRzFHTLAULiKBcaebQEN4FVYfMjxNA==";
    let hmac_key = "qYFHZZ1Fo9hNmJGeKSt5qJQ57Oxt3oiWb+mhh1pXn+o=";
    let mut transit = with_material(&settings, key, hmac_key);
    let signed = transit.ok(Write, "sign/k", json!({"input": b64("hello")}));
    assert_eq!(
        signed["signature"],
        "vault:v1:9XN988SaCPaw0b8eJlpZ/UKjGGzTZ0R8ME5MBpQn2KCj79AxasTKyejuV0zwWizS1Qw8W5juGntlyPXeVyh9DA=="
    );
    let mac = transit.ok(Write, "hmac/k", json!({"input": b64("hello")}));
    assert_eq!(mac["hmac"], "vault:v1:1lvEMvPvArcFbWTwYCXTmItq1D4HKmMQRgs2CzeGOjw=");
}

#[test]
fn backups_of_another_server() {
    let mut transit = mount();
    let backup = include_str!("openbao-backup-ed25519.txt").trim_end();
    transit.ok(Write, "restore/k", json!({"backup": backup}));
    let signed = transit.ok(Write, "sign/k", json!({"input": b64("hello")}));
    assert_eq!(
        signed["signature"],
        "vault:v3:DsGzN0xlKVHdbsv4faJUzWbyVwfO/fUfgOqe3SvQuFNskTqiPiuesHmGtOtNeNCHD1NTbsmojfh8hFaP1BEADQ=="
    );
    let backup = include_str!("openbao-backup-convergent.txt").trim_end();
    transit.ok(Write, "restore", json!({"backup": backup}));
    assert_eq!(
        transit.ok(Write, "encrypt/b2", hello())["ciphertext"],
        "vault:v3:JBBnABFftGmM0EfW+G8lnwLJ39p+oHfyB0W7Ry1UwMOf"
    );
}

#[test]
fn derived_ed25519() {
    let settings = Settings { kind: Kind::Ed25519, derived: true, ..Settings::default() };
    let key =
        "kJNppE4TYKAPWpEBsKhFxxmS4LX8XwbSElvtmqz0pJmFyv7UuL5yjimD3t+IyZP5/LyeDIXSD8hqtUDN+4rlvw==";
    let mut transit = with_material(&settings, key, "");
    let signed = transit.ok(Write, "sign/k", json!({"input": b64("hello"), "context": b64("ctx")}));
    assert_eq!(signed["public_key"], "HEOUcsXQkz5gW+IDmm4ZKDZBXxSfPY7z64bMIRq/jB0=");
    assert_eq!(
        signed["signature"],
        "vault:v1:5fiwjaCU0uEUeNvb+bwyz9YXOjN1GLO07Umnwgp20Wzvmfv83mf6B8/TW7lksgCaaQoMI8GanK3KSODS4rsqAQ=="
    );
}
