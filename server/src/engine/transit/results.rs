//! What messages became, written as JSON while they are worked on.
//!
//! One message answers with its fields; a batch with a list in which every item has its result, in
//! order, whatever happens to the others. Nothing here needs an escape but errors and what the client
//! calls its items by, so that no serialiser looks at every byte.

use base64::Engine as _;

use super::batch::{message, status};
use super::wire::{BASE64, push_prefix, push_version};
use crate::logical::{ApiError, ApiResult, Json, Response, quote};

/// Bytes of a result beside its text: names of fields and a version.
const FIELDS: usize = 64;

/// Results in the making.
pub(super) struct Results {
    json: String,
    batch: bool,
    items: usize,
    failed: usize,
    /// Of one message, why there is no result.
    refused: Option<ApiError>,
}

impl Results {
    /// Of a batch or of one message, with room for `items` results whose texts have `bytes` bytes.
    pub(super) fn new(batch: bool, items: usize, bytes: usize) -> Self {
        let mut json = String::with_capacity(bytes + (items + 1) * FIELDS);
        json.push_str(if batch { r#"{"batch_results":["# } else { "{" });
        Self { json, batch, items: 0, failed: 0, refused: None }
    }

    /// A message sealed under a version.
    pub(super) fn sealed(&mut self, bytes: &[u8], version: u32, reference: &str) {
        self.begin();
        self.json.push_str(r#""ciphertext":""#);
        push_prefix(version, &mut self.json);
        BASE64.encode_string(bytes, &mut self.json);
        self.json.push_str(r#"","key_version":"#);
        push_version(version, &mut self.json);
        self.end(reference);
    }

    /// A message that was opened.
    pub(super) fn opened(&mut self, message: &[u8], reference: &str) {
        self.begin();
        self.json.push_str(r#""plaintext":""#);
        BASE64.encode_string(message, &mut self.json);
        self.json.push('"');
        self.end(reference);
    }

    /// A message that was not; `empty` are the fields that stand there all the same.
    pub(super) fn failed(&mut self, error: ApiError, empty: &str, reference: &str) {
        self.failed += 1;
        if !self.batch {
            self.refused = Some(error);
            return;
        }
        self.begin();
        self.json.push_str(empty);
        self.json.push_str(r#""error":"#);
        quote(&mut self.json, &message(error));
        self.end(reference);
    }

    fn begin(&mut self) {
        if self.batch {
            self.json.push_str(if self.items == 0 { "{" } else { ",{" });
        }
        self.items += 1;
    }

    fn end(&mut self, reference: &str) {
        if self.batch {
            self.json.push_str(r#","reference":"#);
            quote(&mut self.json, reference);
            self.json.push('}');
        }
    }

    /// The answer. A batch that failed in part has the status `partial`, or the default for it.
    ///
    /// # Errors
    /// Why the one message has no result.
    pub(super) fn answer(mut self, partial: Option<u16>) -> ApiResult<Response> {
        let status = if self.batch { status(self.items, self.failed, partial) } else { None };
        if let Some(error) = self.refused {
            return Err(error);
        }
        self.json.push_str(if self.batch { "]}" } else { "}" });
        Ok(Response { status, ..Response::json(Json::written(self.json)) })
    }

    /// The answer whose status says nothing of failures.
    ///
    /// # Errors
    /// As [`Results::answer`].
    pub(super) fn answer_in_items(self) -> ApiResult<Response> {
        Ok(Response { status: None, ..self.answer(None)? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(response: &Response) -> Value {
        serde_json::from_str(response.data.as_ref().unwrap().get()).unwrap()
    }

    #[test]
    fn one_message_has_its_fields_and_a_batch_has_a_list() {
        let mut one = Results::new(false, 1, 0);
        one.sealed(b"abc", 12, "");
        let one = value(&one.answer(None).unwrap());
        assert_eq!(one, json!({ "ciphertext": "vault:v12:YWJj", "key_version": 12 }));
        let mut batch = Results::new(true, 3, 0);
        batch.opened(b"abc", "a \"b\"");
        batch.failed(ApiError::bad_request("no\n"), r#""plaintext":"","#, "");
        batch.sealed(b"", 1, "");
        let batch = batch.answer(Some(207)).unwrap();
        assert_eq!(batch.status, Some(207));
        let want = json!({ "batch_results": [
            { "plaintext": "YWJj", "reference": "a \"b\"" },
            { "plaintext": "", "error": "no\n", "reference": "" },
            { "ciphertext": "vault:v1:", "key_version": 1, "reference": "" },
        ]});
        assert_eq!(value(&batch), want);
    }

    #[test]
    fn one_message_that_failed_is_an_error_and_a_batch_tells_by_its_status() {
        let fail = || ApiError::bad_request("no");
        let mut one = Results::new(false, 1, 0);
        one.failed(fail(), "", "");
        assert_eq!(one.answer(None).unwrap_err().errors, ["no"]);
        let batch = |good: usize, bad: usize| {
            let mut batch = Results::new(true, good + bad, 0);
            (0..good).for_each(|_| batch.opened(b"", ""));
            (0..bad).for_each(|_| batch.failed(fail(), "", ""));
            batch
        };
        assert_eq!(batch(2, 0).answer(Some(207)).unwrap().status, None);
        assert_eq!(batch(1, 1).answer(None).unwrap().status, Some(400));
        assert_eq!(batch(0, 2).answer(Some(207)).unwrap().status, Some(400));
        assert_eq!(batch(0, 2).answer_in_items().unwrap().status, None);
    }
}
