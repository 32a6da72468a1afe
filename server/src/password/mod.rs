//! Password policies: how passwords that others set have to look, and making some.
//!
//! A policy is a length and sets of characters, each with how many of it there must be. It is written in
//! HCL or JSON:
//!
//! ```text
//! length = 20
//! rule "charset" {
//!   charset   = "abcdefghij0123456789"
//!   min-chars = 1
//! }
//! ```

mod generate;
mod text;

pub(crate) use generate::generate;

/// Characters of a password.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=100;

/// What a password is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PasswordPolicy {
    length: usize,
    sets: Vec<Set>,
}

/// Characters to choose from.
#[derive(Debug, PartialEq, Eq)]
struct Set {
    /// Each once.
    chars: Vec<char>,
    /// So many at least.
    min: usize,
}

/// Why a text is not a password policy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PasswordPolicyError {
    /// Neither HCL nor JSON.
    #[error("unable to decode: {0}")]
    Syntax(String),
    /// A value of the wrong type.
    #[error("failed to decode configuration: {0} is not {1}")]
    Value(&'static str, &'static str),
    /// Another rule than `charset`.
    #[error("unable to parse rule {0}: unrecognized rule type {0}")]
    Rule(String),
    /// Too short or too long.
    #[error("passwords must be between 4 and 100 characters")]
    Length,
    /// No length at all.
    #[error("length must be > 0")]
    NoLength,
    /// Nothing to choose from.
    #[error("no charset specified")]
    NoChars,
    /// What nobody can type.
    #[error("non-printable character in charset")]
    Unprintable,
    /// The sets ask for more than there is room for.
    #[error("specified rules require at least {0} characters but {1} is specified")]
    TooMany(usize, usize),
}

impl PasswordPolicy {
    /// From its text.
    ///
    /// # Errors
    /// [`PasswordPolicyError`].
    pub(crate) fn parse(text: &str) -> Result<Self, PasswordPolicyError> {
        let policy = text::parse(text)?;
        if policy.length == 0 {
            return Err(PasswordPolicyError::NoLength);
        }
        if policy.sets.is_empty() || policy.sets.iter().any(|set| set.chars.is_empty()) {
            return Err(PasswordPolicyError::NoChars);
        }
        if policy.sets.iter().flat_map(|set| &set.chars).any(|c| c.is_control()) {
            return Err(PasswordPolicyError::Unprintable);
        }
        if !LENGTHS.contains(&policy.length) {
            return Err(PasswordPolicyError::Length);
        }
        let least = policy.sets.iter().fold(0_usize, |sum, set| sum.saturating_add(set.min));
        if least > policy.length {
            return Err(PasswordPolicyError::TooMany(least, policy.length));
        }
        Ok(policy)
    }
}
