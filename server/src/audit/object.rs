//! The fields of a record's objects, appended one after the other.

use super::Device;
use super::redact::{Style, json, number};
use crate::logical::push_quoted;

/// Builds the fields of an object.
pub(super) struct Object<'d> {
    out: Vec<u8>,
    pub(super) device: &'d Device,
    first: bool,
}

impl<'d> Object<'d> {
    pub(super) fn new(out: Vec<u8>, device: &'d Device) -> Self {
        Self { out, device, first: true }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn separate(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    /// The name of a field: one of ours, or one that was checked; none needs an escape.
    pub(super) fn name(&mut self, name: &str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Fields that are ready.
    pub(super) fn raw(&mut self, fields: &[u8]) {
        self.separate();
        self.out.extend_from_slice(fields);
    }

    /// A value that is ready, if there is one.
    pub(super) fn ready(&mut self, name: &str, value: Option<&[u8]>) {
        let Some(value) = value else { return };
        self.name(name);
        self.out.extend_from_slice(value);
    }

    /// A text as a value, hashed if it is asked for and the device does not show everything.
    pub(super) fn shown(&self, text: &str, hmac: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 80);
        if hmac && !self.device.settings.log_raw {
            self.device.hasher.string(&mut out, text);
        } else {
            push_quoted(&mut out, text);
        }
        out
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        push_quoted(&mut self.out, text);
    }

    pub(super) fn value(&mut self, name: &str, value: impl serde::Serialize) {
        self.name(name);
        number(&mut self.out, value);
    }

    /// Hashed, unless the device shows everything.
    pub(super) fn secret(&mut self, name: &str, text: &str) {
        self.name(name);
        if self.device.settings.log_raw {
            push_quoted(&mut self.out, text);
        } else {
            self.device.hasher.string(&mut self.out, text);
        }
    }

    pub(super) fn accessor(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.device.settings.hmac_accessor {
            self.secret(name, text);
        } else {
            self.text(name, text);
        }
    }

    /// JSON with its strings hashed; left out when it is malformed.
    pub(super) fn body(&mut self, name: &str, body: &[u8], plain: &[String], elide: bool) {
        let (start, first) = (self.out.len(), self.first);
        self.name(name);
        let settings = &self.device.settings;
        let hasher = (!settings.log_raw).then_some(&self.device.hasher);
        if !json(&mut self.out, body, Style { hasher, plain, elide }) {
            self.out.truncate(start);
            self.first = first;
        }
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.nested(name, [b'{', b'}'], fill);
    }

    pub(super) fn list(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.nested(name, [b'[', b']'], fill);
    }

    /// An item of a list.
    pub(super) fn item(&mut self, text: &str, hmac: bool) {
        self.separate();
        if hmac && !self.device.settings.log_raw {
            self.device.hasher.string(&mut self.out, text);
        } else {
            push_quoted(&mut self.out, text);
        }
    }

    pub(super) fn nested(
        &mut self,
        name: &str,
        [open, close]: [u8; 2],
        fill: impl FnOnce(&mut Self),
    ) {
        self.name(name);
        self.out.push(open);
        self.first = true;
        fill(self);
        self.out.push(close);
        self.first = false;
    }
}
