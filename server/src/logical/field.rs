//! Fields of the body, or of the query where there is no body: their names and their forms.
//!
//! A table of fields stands beside its route; documents are made from it.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use super::{Flag, Integer, Pairs, Seconds};

/// The form of a field; all of them are as loose as [`super::Scalar`] and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; numbers and flags are taken as they are written.
    Text,
    /// An integer, or its digits.
    Integer,
    /// A number, or its digits.
    Number,
    /// A flag.
    Flag,
    /// A duration.
    Seconds,
    /// A list of words, or words with commas between.
    Words,
    /// Text by name.
    Pairs,
    /// An object that its handler reads.
    Object,
    /// A list of objects that its handler reads.
    Objects,
    /// Several forms: its handler tells them apart.
    Any,
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As clients write it.
    pub name: &'static str,
    /// Its form.
    pub kind: Kind,
    /// One line for help and documents.
    pub about: &'static str,
    /// Its place is the query of what reads and lists, not the body.
    pub in_query: bool,
}

macro_rules! kinds {
    ($($name:ident $kind:ident,)*) => {
        impl Field {
            $(
                #[doc = concat!("A field of the kind [`Kind::", stringify!($kind), "`].")]
                pub const fn $name(name: &'static str, about: &'static str) -> Self {
                    Self { name, kind: Kind::$kind, about, in_query: false }
                }
            )*
        }
    };
}

kinds! {
    text Text,
    integer Integer,
    number Number,
    flag Flag,
    seconds Seconds,
    words Words,
    pairs Pairs,
    object Object,
    objects Objects,
    any Any,
}

impl Field {
    /// What a LIST that knows pages takes.
    pub const PAGE: &'static [Self] = &[
        Self::text("after", "List what comes after this name").query(),
        Self::integer("limit", "List so many at most").query(),
    ];

    /// The same field, for the query of what reads and lists.
    #[must_use]
    pub const fn query(mut self) -> Self {
        self.in_query = true;
        self
    }
}

impl Kind {
    /// For messages: what is expected.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Flag => "true or false",
            Self::Seconds => "a duration such as 90, \"90s\" or \"1h30m\"",
            Self::Words => "a list of strings",
            Self::Pairs => "an object of strings",
            Self::Object => "an object",
            Self::Objects => "a list of objects",
            Self::Any => "anything",
        }
    }

    /// Whether a value has this form; null stands for nothing given and fits everywhere.
    pub(super) fn fits(self, value: &RawValue) -> bool {
        let text = value.get();
        let is = |kinds: &[u8]| text.bytes().next().is_some_and(|b| kinds.contains(&b));
        match self {
            _ if text == "null" => true,
            Self::Any => true,
            Self::Text => !is(b"[{"),
            Self::Words => !is(b"{") || reads::<Nothing>(text),
            Self::Object => is(b"{") || reads::<[(); 0]>(text),
            Self::Objects => is(b"["),
            Self::Integer => reads::<Integer>(text),
            Self::Number => reads::<Number>(text),
            Self::Flag => reads::<Flag>(text),
            Self::Seconds => reads::<Seconds>(text),
            Self::Pairs => reads::<Pairs>(text),
        }
    }
}

fn reads<'t, T: Deserialize<'t>>(text: &'t str) -> bool {
    serde_json::from_str::<T>(text).is_ok()
}

/// An object with nothing in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Only to see whether it is one.
struct Number;

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let super::Scalar(text) = Deserialize::deserialize(from)?;
        text.parse::<f64>().map(|_| Self).map_err(|_| D::Error::custom("not a number"))
    }
}
