//! Typed access to one block of an HCL file: takes known keys, remembers what nobody asked for.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use hcl::edit::Span;
use hcl::edit::expr::Expression;
use hcl::edit::structure::{Attribute, Block, BlockLabel, Body, Structure};

use super::{ConfigError, Network, size};
use crate::engine::duration::parse_seconds;

/// Turns byte offsets into line numbers.
pub(super) struct Lines<'a> {
    /// What was parsed.
    pub(super) text: &'a str,
    /// For each line of `text` the one of the file; nothing where they are the same.
    pub(super) of_file: &'a [usize],
}

impl Lines<'_> {
    /// Line (from 1) where `item` starts.
    pub(super) fn of(&self, item: &impl Span) -> usize {
        let start = item.span().map_or(0, |span| span.start).min(self.text.len());
        // A span may begin with the white space before the item.
        let blank = self.text[start..].len() - self.text[start..].trim_start().len();
        self.in_file(1 + self.text[..start + blank].bytes().filter(|b| *b == b'\n').count())
    }

    /// The file's line (from 1) that a line of what was parsed comes from.
    pub(super) fn in_file(&self, line: usize) -> usize {
        self.of_file.get(line.saturating_sub(1)).copied().unwrap_or(line)
    }
}

/// The keys and blocks of one body. Every one must be taken or it ends up in [`Fields::finish`].
pub(super) struct Fields<'a> {
    /// `listener.` in front of the key's name in messages; empty at the top.
    context: &'static str,
    lines: &'a Lines<'a>,
    attributes: Vec<&'a Attribute>,
    blocks: Vec<&'a Block>,
}

impl<'a> Fields<'a> {
    /// All that `body` has; a key given twice is an error.
    pub(super) fn of(
        context: &'static str,
        body: &'a Body,
        lines: &'a Lines<'a>,
    ) -> Result<Self, ConfigError> {
        let mut fields = Self { context, lines, attributes: Vec::new(), blocks: Vec::new() };
        for structure in body {
            match structure {
                Structure::Attribute(new) => {
                    if fields.attributes.iter().any(|old| old.key.as_str() == new.key.as_str()) {
                        let key = format!("{context}{}", new.key.as_str());
                        return Err(ConfigError::Twice { line: lines.of(new), key });
                    }
                    fields.attributes.push(new);
                }
                Structure::Block(block) => fields.blocks.push(block),
            }
        }
        Ok(fields)
    }

    /// Takes all blocks of that name.
    pub(super) fn blocks(&mut self, name: &str) -> Vec<&'a Block> {
        let (taken, rest) =
            std::mem::take(&mut self.blocks).into_iter().partition(|b| b.ident.as_str() == name);
        self.blocks = rest;
        taken
    }

    /// A string.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        self.take(key, "a string", |e| e.as_str().map(str::to_owned))
    }

    /// A flag; `1`, `0` and the words in quotes are taken as Vault takes them.
    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.take(key, "true or false", |e| {
            if let Some(flag) = e.as_bool() {
                return Some(flag);
            }
            let word = match e.as_number() {
                Some(number) => number.to_string(),
                None => e.as_str()?.to_ascii_lowercase(),
            };
            match word.as_str() {
                "1" | "true" => Some(true),
                "0" | "false" => Some(false),
                _ => None,
            }
        })
    }

    /// A number of bytes, with or without unit.
    pub(super) fn bytes(&mut self, key: &str) -> Result<Option<u64>, ConfigError> {
        self.take(key, "a size such as \"512mb\" or a number of bytes", |e| match e.as_number() {
            Some(number) => number.as_u64(),
            None => size::parse_bytes(e.as_str()?),
        })
    }

    /// A duration in seconds, or with units.
    pub(super) fn duration(&mut self, key: &str) -> Result<Option<Duration>, ConfigError> {
        self.take(key, "a duration such as \"90s\"", |e| {
            let seconds = match e.as_number() {
                Some(number) => number.as_u64()?,
                None => u64::try_from(parse_seconds(e.as_str()?)?).ok()?,
            };
            Some(Duration::from_secs(seconds))
        })
    }

    /// A number that is not negative.
    pub(super) fn count(&mut self, key: &str) -> Result<Option<usize>, ConfigError> {
        self.take(key, "a number", |e| match e.as_number() {
            Some(number) => usize::try_from(number.as_u64()?).ok(),
            None => e.as_str()?.parse().ok(),
        })
    }

    /// Networks: a list of strings, or one string with commas.
    pub(super) fn networks(&mut self, key: &str) -> Result<Vec<Network>, ConfigError> {
        let parse = |text: &str| text.split(',').map(Network::parse).collect::<Option<Vec<_>>>();
        let found = self.take(key, "networks such as [\"10.0.0.0/8\"]", |e| {
            if let Some(text) = e.as_str() {
                return parse(text);
            }
            let mut all = Vec::new();
            for item in e.as_array()? {
                all.extend(parse(item.as_str()?)?);
            }
            Some(all)
        })?;
        Ok(found.unwrap_or_default())
    }

    /// `host:port`; a name is resolved, a missing host means every address, a missing port `port`.
    pub(super) fn address(
        &mut self,
        key: &str,
        port: u16,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        self.take(key, "an address such as \"127.0.0.1:8200\" that this machine can resolve", |e| {
            resolve(e.as_str()?, port)
        })
    }

    /// A string out of a few.
    pub(super) fn one_of(
        &mut self,
        key: &str,
        words: &[&str],
        expected: &'static str,
    ) -> Result<Option<String>, ConfigError> {
        self.take(key, expected, |e| {
            let word = e.as_str()?.to_ascii_lowercase();
            words.contains(&word.as_str()).then_some(word)
        })
    }

    /// The line that gives a key.
    pub(super) fn line(&self, key: &str) -> Option<usize> {
        let attribute = self.attributes.iter().find(|a| a.key.as_str() == key)?;
        Some(self.lines.of(*attribute))
    }

    /// Takes a key that is understood and has no effect.
    pub(super) fn ignore(&mut self, key: &str) {
        self.attributes.retain(|a| a.key.as_str() != key);
    }

    /// One warning for each key and block that nobody took.
    pub(super) fn finish(self, warnings: &mut Vec<String>) {
        for attribute in &self.attributes {
            warnings.push(format!(
                "unknown or unsupported field {}{} found in configuration at line {}",
                self.context,
                attribute.key.as_str(),
                self.lines.of(*attribute)
            ));
        }
        for block in &self.blocks {
            warnings.push(format!(
                "unknown or unsupported block {}{} found in configuration at line {}",
                self.context,
                block.ident.as_str(),
                self.lines.of(*block)
            ));
        }
    }

    fn take<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        convert: impl FnOnce(&Expression) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(at) = self.attributes.iter().position(|a| a.key.as_str() == key) else {
            return Ok(None);
        };
        let attribute = self.attributes.remove(at);
        match convert(&attribute.value) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError::Value {
                line: self.lines.of(attribute),
                key: format!("{}{key}", self.context),
                expected,
            }),
        }
    }
}

/// The first address that `text` stands for.
fn resolve(text: &str, default_port: u16) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Some(SocketAddr::new(ip, default_port));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, default_port),
    };
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    (host, port).to_socket_addrs().ok()?.next()
}

/// The block, none, or an error when there are two.
pub(super) fn only<'b>(
    blocks: &[&'b Block],
    lines: &Lines<'_>,
    key: &str,
) -> Result<Option<&'b Block>, ConfigError> {
    match blocks {
        [] => Ok(None),
        [block] => Ok(Some(block)),
        [_, second, ..] => Err(ConfigError::Twice { line: lines.of(*second), key: key.to_owned() }),
    }
}

pub(super) fn check_kind(
    block: &Block,
    lines: &Lines<'_>,
    name: &'static str,
    supported: &'static str,
) -> Result<(), ConfigError> {
    let kind = kind(block);
    if kind == supported && block.labels.len() == 1 {
        return Ok(());
    }
    Err(ConfigError::Kind { line: lines.of(block), block: name, kind: kind.to_owned(), supported })
}

/// The first word behind a block's name.
pub(super) fn kind(block: &Block) -> &str {
    match block.labels.first() {
        Some(BlockLabel::Ident(kind)) => kind.as_str(),
        Some(BlockLabel::String(kind)) => kind.as_str(),
        None => "",
    }
}
