//! encrypt, decrypt and rewrap: one message, or a batch.
//!
//! A batch is worked through with one buffer for messages and one text for all results, which the
//! answer borrows from; an item costs its parsing, two runs of base64 and the cipher.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::super::fields::{Integer, Text};
use super::batch::{answer, answer_with_failures, items, message, partial_status};
use super::cipher::{HEAD_LEN, TAG_LEN};
use super::config;
use super::key::{self, Settings, Stored};
use super::kind::Kind;
use super::nonce::{Generator, with_generator};
use super::ready::Key;
use super::wire::{BASE64, decode, decode_into, push_prefix, split};
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

/// Bytes that a message and its head take under the largest RSA key.
pub(super) const RSA_ROOM: usize = HEAD_LEN + 512;

/// One message of a request.
#[derive(Deserialize, Default)]
struct Item<'a> {
    #[serde(borrow)]
    plaintext: Option<Text<'a>>,
    #[serde(borrow)]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    #[serde(borrow)]
    associated_data: Option<Text<'a>>,
    key_version: Option<Integer>,
    #[serde(borrow)]
    reference: Option<Text<'a>>,
}

/// A request: a batch, or the fields of one message.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    batch_input: Option<Vec<Item<'a>>>,
    partial_failure_response_code: Option<Integer>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    convergent_encryption: Option<bool>,
    #[serde(borrow)]
    plaintext: Option<Text<'a>>,
    #[serde(borrow)]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    #[serde(borrow)]
    associated_data: Option<Text<'a>>,
    key_version: Option<Integer>,
}

impl<'a> Request<'a> {
    /// The messages, and whether they came as a batch.
    fn take_items(&mut self) -> ApiResult<(Vec<Item<'a>>, bool)> {
        items(self.batch_input.take(), || Item {
            plaintext: self.plaintext.take(),
            ciphertext: self.ciphertext.take(),
            context: self.context.take(),
            associated_data: self.associated_data.take(),
            key_version: self.key_version,
            reference: None,
        })
    }
}

impl Item<'_> {
    fn context(&self) -> ApiResult<Option<Vec<u8>>> {
        match &self.context {
            Some(text) if !text.0.is_empty() => Ok(Some(decode(&text.0)?)),
            _ => Ok(None),
        }
    }

    fn associated_data(&self, kind: Kind) -> ApiResult<Vec<u8>> {
        match &self.associated_data {
            Some(text) if !text.0.is_empty() && !kind.is_aead() => Err(not_aead(kind)),
            Some(text) if !text.0.is_empty() => Ok(decode(&text.0).map_err(|e| {
                ApiError::bad_request(format!("associated_data is not base64: {e}"))
            })?),
            _ => Ok(Vec::new()),
        }
    }

    fn reference(&self) -> &str {
        self.reference.as_ref().map_or("", |text| &text.0)
    }

    /// Bytes that its message takes in the buffer, at most.
    fn room(&self) -> usize {
        let text = [&self.plaintext, &self.ciphertext];
        let longest = text.into_iter().flatten().map(|t| t.0.len()).max().unwrap_or(0);
        HEAD_LEN + longest / 4 * 3 + 3 + TAG_LEN
    }
}

/// The result of one message: a range of the common text, and the key version it is under.
type Done = ApiResult<(Range<usize>, u32)>;

/// Where messages are worked on, zeroed when done, and the results: ciphertexts, or messages that
/// are zeroed too.
struct Bench {
    buffer: Zeroizing<Vec<u8>>,
    text: String,
    opens: bool,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.opens {
            self.text.zeroize();
        }
    }
}

impl Bench {
    /// With room enough that no secret is left behind by growing, and no more: all of it is zeroed.
    fn for_items(items: &[Item<'_>], kind: Kind, opens: bool) -> Self {
        let least = if kind.is_aead() { 0 } else { RSA_ROOM };
        let longest = items.iter().map(Item::room).max().unwrap_or(0).max(least);
        let total: usize = items.iter().map(|item| item.room() / 3 * 4 + 32).sum();
        Self {
            buffer: Zeroizing::new(Vec::with_capacity(longest)),
            text: String::with_capacity(total),
            opens,
        }
    }

    /// Encodes the buffer from `from` on into the text.
    fn write(&mut self, prefix: Option<u32>, from: usize) -> Range<usize> {
        let start = self.text.len();
        if let Some(version) = prefix {
            push_prefix(version, &mut self.text);
        }
        BASE64.encode_string(&self.buffer[from..], &mut self.text);
        start..self.text.len()
    }

    fn encrypt(&mut self, key: &Key, item: &Item<'_>, generator: &mut Generator) -> Done {
        let plaintext = item.plaintext.as_ref().ok_or_else(missing_plaintext)?;
        self.buffer.clear();
        self.buffer.resize(HEAD_LEN, 0);
        decode_into(&plaintext.0, &mut self.buffer)?;
        self.seal(key, item, generator)
    }

    fn decrypt(&mut self, key: &Key, item: &Item<'_>) -> Done {
        let version = self.open(key, item)?;
        Ok((self.write(None, HEAD_LEN), version))
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
        let start = key.seal(version, context.as_deref(), &aad, generator, &mut self.buffer)?;
        Ok((self.write(Some(version), start), version))
    }

    /// Opens a ciphertext into the buffer.
    fn open(&mut self, key: &Key, item: &Item<'_>) -> ApiResult<u32> {
        let ciphertext = item.ciphertext.as_ref().filter(|text| !text.0.is_empty());
        let ciphertext = ciphertext.ok_or_else(missing_ciphertext)?;
        let (version, body) = split(&ciphertext.0, "invalid ciphertext")?;
        let version = key.stored.version_to_read(version, "invalid ciphertext")?;
        self.buffer.clear();
        self.buffer.resize(HEAD_LEN - key.stored.kind.nonce_len(), 0);
        decode_into(body, &mut self.buffer)
            .map_err(|_| ApiError::bad_request("invalid ciphertext: could not decode base64"))?;
        let (context, aad) = (item.context()?, item.associated_data(key.stored.kind)?);
        key.open(version, context.as_deref(), &aad, &mut self.buffer)?;
        Ok(version)
    }
}

/// 400 for associated data where it cannot be authenticated.
pub(super) fn not_aead(kind: Kind) -> ApiError {
    let name = kind.name();
    ApiError::bad_request(format!(
        "'[0].associated_data' provided for non-AEAD cipher suite {name}"
    ))
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
    let mut bench = Bench::for_items(&items, key.stored.kind, false);
    let done: Vec<Done> = with_generator(|generator| {
        Ok(items.iter().map(|item| bench.encrypt(&key, item, generator)).collect())
    })?;
    respond_sealed(&items, batch, done, &bench, Failures::InStatus(partial))
}

pub(super) fn decrypt(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let partial = partial_status(request.partial_failure_response_code.map(|n| n.0))?;
    let (items, batch) = request.take_items()?;
    let key = Key::of_call(call, view, "encryption")?;
    usable(&key, "decryption")?;
    let mut bench = Bench::for_items(&items, key.stored.kind, true);
    let done: Vec<Done> = items.iter().map(|item| bench.decrypt(&key, item)).collect();
    respond_opened(&items, batch, done, &bench, partial)
}

pub(super) fn rewrap(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let mut request: Request<'_> = call.parse()?;
    let (items, batch) = request.take_items()?;
    let key = Key::of_call(call, view, "encryption")?;
    usable(&key, "decryption")?;
    let mut bench = Bench::for_items(&items, key.stored.kind, false);
    let done: Vec<Done> = with_generator(|generator| {
        Ok(items.iter().map(|item| bench.rewrap(&key, item, generator)).collect())
    })?;
    respond_sealed(&items, batch, done, &bench, Failures::InItems)
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
    let convergent = request.convergent_encryption.unwrap_or(false);
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

/// The answer to one message.
#[derive(Serialize)]
struct OneSealed<'a> {
    ciphertext: &'a str,
    key_version: u32,
}

#[derive(Serialize)]
struct Sealed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    reference: &'a str,
}

/// Where the failure of an item of a batch shows.
#[derive(Clone, Copy)]
enum Failures {
    /// In the status too: 400 if all failed, this or the default if some did.
    InStatus(Option<u16>),
    /// In the item alone.
    InItems,
}

/// Answers with ciphertexts.
fn respond_sealed(
    items: &[Item<'_>],
    batch: bool,
    done: Vec<Done>,
    bench: &Bench,
    failures: Failures,
) -> ApiResult<Response> {
    if !batch {
        let (range, key_version) = only(done)?;
        return Response::data(&OneSealed { ciphertext: &bench.text[range], key_version });
    }
    let failed = done.iter().filter(|result| result.is_err()).count();
    let results: Vec<Sealed<'_>> = std::iter::zip(items, done)
        .map(|(item, result)| {
            let reference = item.reference();
            match result {
                Ok((range, version)) => Sealed {
                    ciphertext: Some(&bench.text[range]),
                    key_version: Some(version),
                    error: None,
                    reference,
                },
                Err(e) => Sealed {
                    ciphertext: None,
                    key_version: None,
                    error: Some(message(e)),
                    reference,
                },
            }
        })
        .collect();
    match failures {
        Failures::InStatus(partial) => answer_with_failures(&results, failed, partial),
        Failures::InItems => answer(&results),
    }
}

/// The answer to one message.
#[derive(Serialize)]
struct OneOpened<'a> {
    plaintext: &'a str,
}

#[derive(Serialize)]
struct Opened<'a> {
    plaintext: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    reference: &'a str,
}

fn respond_opened(
    items: &[Item<'_>],
    batch: bool,
    done: Vec<Done>,
    bench: &Bench,
    partial: Option<u16>,
) -> ApiResult<Response> {
    if !batch {
        let (range, _) = only(done)?;
        return Response::data(&OneOpened { plaintext: &bench.text[range] });
    }
    let failed = done.iter().filter(|result| result.is_err()).count();
    let results: Vec<Opened<'_>> = std::iter::zip(items, done)
        .map(|(item, result)| {
            let reference = item.reference();
            match result {
                Ok((range, _)) => Opened { plaintext: &bench.text[range], error: None, reference },
                Err(e) => Opened { plaintext: "", error: Some(message(e)), reference },
            }
        })
        .collect();
    answer_with_failures(&results, failed, partial)
}

fn only(done: Vec<Done>) -> Done {
    done.into_iter().next().unwrap_or_else(|| Err(ApiError::internal("no message")))
}
