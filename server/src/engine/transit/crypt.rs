//! encrypt, decrypt and rewrap: one message, or a batch.
//!
//! A batch is worked through with one buffer for messages, and one text for all results, which becomes
//! the answer; an item costs its parsing, two runs of base64 and the cipher.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::batch::partial_status;
use super::cipher::HEAD_LEN;
use super::config;
use super::crypt_request::{Item, Request};
use super::key::{self, Settings, Stored};
use super::kind::Kind;
use super::material::unhurried_if_many;
use super::nonce::{Generator, with_generator};
use super::ready::Key;
use super::results::Results;
use super::wire::{decode_into, split};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Bytes that a message and its head take under the largest RSA key.
pub(super) const RSA_ROOM: usize = HEAD_LEN + 512;

/// What one message became: where in the buffer it begins, and the key version it is under.
type Done = ApiResult<(usize, u32)>;

/// Where messages are worked on, one after the other; zeroed when done.
struct Bench(Zeroizing<Vec<u8>>);

impl Bench {
    /// With room enough that no secret is left behind by growing, and no more: all of it is zeroed.
    fn for_items(items: &[Item<'_>], kind: Kind) -> Self {
        let least = if kind.is_aead() { 0 } else { RSA_ROOM };
        let longest = items.iter().map(Item::room).max().unwrap_or(0).max(least);
        Self(Zeroizing::new(Vec::with_capacity(longest)))
    }

    fn encrypt(&mut self, key: &Key, item: &Item<'_>, generator: &mut Generator) -> Done {
        let plaintext = item.plaintext.as_ref().ok_or_else(missing_plaintext)?;
        self.0.clear();
        self.0.resize(HEAD_LEN, 0);
        decode_into(&plaintext.0, &mut self.0)?;
        self.seal(key, item, generator)
    }

    fn rewrap(&mut self, key: &Key, item: &Item<'_>, generator: &mut Generator) -> Done {
        self.open(key, item)?;
        self.seal(key, item, generator)
    }

    /// Seals what is in the buffer.
    fn seal(&mut self, key: &Key, item: &Item<'_>, generator: &mut Generator) -> Done {
        let requested = item.key_version.map_or(0, |n| n.0);
        let version = key.stored.version_to_write(requested, "encryption")?;
        let (context, aad) = (item.context()?, item.associated_data(key.stored.kind)?);
        let start = key.seal(version, context.as_deref(), &aad, generator, &mut self.0)?;
        Ok((start, version))
    }

    /// Opens a ciphertext into the buffer.
    fn open(&mut self, key: &Key, item: &Item<'_>) -> Done {
        let ciphertext = item.ciphertext.as_ref().filter(|text| !text.0.is_empty());
        let ciphertext = ciphertext.ok_or_else(missing_ciphertext)?;
        let (version, body) = split(&ciphertext.0, "invalid ciphertext")?;
        let version = key.stored.version_to_read(version, "invalid ciphertext")?;
        self.0.clear();
        self.0.resize(HEAD_LEN - key.stored.kind.nonce_len(), 0);
        decode_into(body, &mut self.0)
            .map_err(|_| ApiError::bad_request("invalid ciphertext: could not decode base64"))?;
        let (context, aad) = (item.context()?, item.associated_data(key.stored.kind)?);
        key.open(version, context.as_deref(), &aad, &mut self.0)?;
        Ok((HEAD_LEN, version))
    }

    /// Puts down what a message was sealed to.
    fn put_sealed(&self, results: &mut Results, done: Done, item: &Item<'_>) {
        match done {
            Ok((start, version)) => results.sealed(&self.0[start..], version, item.reference()),
            Err(e) => results.failed(e, "", item.reference()),
        }
    }
}

/// Results with room for all of these items.
fn results_for(items: &[Item<'_>], batch: bool) -> Results {
    let bytes = items.iter().map(|item| item.room() / 3 * 4 + item.reference().len()).sum();
    Results::new(batch, items.len(), bytes)
}

fn missing_plaintext() -> ApiError {
    ApiError::bad_request("missing plaintext to encrypt")
}

fn missing_ciphertext() -> ApiError {
    ApiError::bad_request("missing ciphertext to decrypt")
}

/// Whether the key is there: else encrypting creates it.
pub(super) fn exists(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<bool> {
    Ok(view.exists(&key::entry(call.param("name")))?)
}

pub(super) fn encrypt(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let partial = partial_status(request.partial_failure_response_code.map(|n| n.0))?;
    let (items, batch) = request.take_items()?;
    if !batch && items[0].plaintext.is_none() {
        return Err(missing_plaintext());
    }
    let has_context = |item: &Item<'_>| item.context.as_ref().is_some_and(|c| !c.0.is_empty());
    let contexts = items.iter().filter(|item| has_context(item)).count();
    if contexts > 0 && contexts < items.len() {
        return Err(ApiError::bad_request(
            "context should be set either in all the request blocks or in none",
        ));
    }
    let key = match Key::load(view, call.param("name"))? {
        Some(key) => {
            key.stored.must_be_in_use()?;
            key
        }
        None => create(call, view, &request, contexts > 0)?,
    };
    usable(&key, "encryption")?;
    let (mut bench, mut results) =
        (Bench::for_items(&items, key.stored.kind), results_for(&items, batch));
    with_generator(|generator| {
        for item in &items {
            let done = bench.encrypt(&key, item, generator);
            bench.put_sealed(&mut results, done, item);
        }
        Ok(())
    })?;
    results.answer(partial)
}

pub(super) fn decrypt(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let partial = partial_status(request.partial_failure_response_code.map(|n| n.0))?;
    let (items, batch) = request.take_items()?;
    let key = Key::of_call(call, view, "encryption")?;
    usable(&key, "decryption")?;
    let (mut bench, mut results) =
        (Bench::for_items(&items, key.stored.kind), results_for(&items, batch));
    unhurried_if_many(key.stored.kind, items.len(), || {
        for item in &items {
            match bench.open(&key, item) {
                Ok((start, _)) => results.opened(&bench.0[start..], item.reference()),
                Err(e) => results.failed(e, r#""plaintext":"","#, item.reference()),
            }
        }
    });
    results.answer(partial)
}

pub(super) fn rewrap(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let (items, batch) = request.take_items()?;
    let key = Key::of_call(call, view, "encryption")?;
    usable(&key, "decryption")?;
    let (mut bench, mut results) =
        (Bench::for_items(&items, key.stored.kind), results_for(&items, batch));
    unhurried_if_many(key.stored.kind, items.len(), || {
        with_generator(|generator| {
            for item in &items {
                let done = bench.rewrap(&key, item, generator);
                bench.put_sealed(&mut results, done, item);
            }
            Ok(())
        })
    })?;
    results.answer_in_items()
}

/// Refuses keys that do not encrypt.
pub(super) fn usable(key: &Key, purpose: &str) -> ApiResult<()> {
    if key.stored.kind.encrypts() {
        return Ok(());
    }
    let kind = key.stored.kind.name();
    Err(ApiError::bad_request(format!("message {purpose} not supported for key type {kind}")))
}

/// Creates the key that a request to encrypt names: derived if the request has a context.
fn create(
    call: &Call<'_>,
    view: &mut View<'_>,
    request: &Request<'_>,
    derived: bool,
) -> ApiResult<Arc<Key>> {
    if config::load(view)?.disable_upsert {
        return Err(ApiError::bad_request("encryption key not found"));
    }
    let convergent = request.convergent_encryption.unwrap_or_default().0;
    if convergent && !derived {
        return Err(ApiError::bad_request(
            "convergent encryption requires derivation to be enabled, so context is required",
        ));
    }
    let kind = match request.kind.as_ref().map(|text| &*text.0) {
        None | Some("") => Kind::default(),
        Some(name) => Kind::from_name(name)
            .filter(|kind| kind.is_aead())
            .ok_or_else(|| ApiError::bad_request(format!("unknown key type {name}")))?,
    };
    let settings = Settings { kind, derived, convergent, ..Settings::default() };
    let stored = Stored::generate(&settings, call.now.into())?;
    key::store(view, call.param("name"), &stored)?;
    Ok(Arc::new(Key::new(stored)))
}
