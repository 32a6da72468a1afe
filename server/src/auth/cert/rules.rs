//! What has to be in a client's certificate besides a signature that is trusted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::Client;
use crate::auth::glob::fits;
use crate::logical::{ApiError, ApiResult, Words};

/// Patterns of one rule at most.
const PATTERNS_MAX: usize = 1024;

/// Patterns; a rule without any holds for everyone, and one that fits is enough but for extensions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Rules {
    /// Of the common name or of any alternative one; the old form.
    allowed_names: Vec<String>,
    allowed_common_names: Vec<String>,
    allowed_dns_sans: Vec<String>,
    allowed_email_sans: Vec<String>,
    allowed_uri_sans: Vec<String>,
    allowed_organizational_units: Vec<String>,
    /// `<oid>:<pattern>`; all have to fit.
    required_extensions: Vec<String>,
    /// Object identifiers whose text becomes metadata.
    allowed_metadata_extensions: Vec<String>,
}

/// The rules in a request.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct RuleFields {
    allowed_names: Option<Words>,
    allowed_common_names: Option<Words>,
    allowed_dns_sans: Option<Words>,
    allowed_email_sans: Option<Words>,
    allowed_uri_sans: Option<Words>,
    allowed_organizational_units: Option<Words>,
    required_extensions: Option<Words>,
    allowed_metadata_extensions: Option<Words>,
}

impl RuleFields {
    /// Writes what was given over `rules`.
    ///
    /// # Errors
    /// 400 for too many patterns.
    pub(super) fn apply(self, rules: &mut Rules) -> ApiResult<()> {
        for (to, given) in [
            (&mut rules.allowed_names, self.allowed_names),
            (&mut rules.allowed_common_names, self.allowed_common_names),
            (&mut rules.allowed_dns_sans, self.allowed_dns_sans),
            (&mut rules.allowed_email_sans, self.allowed_email_sans),
            (&mut rules.allowed_uri_sans, self.allowed_uri_sans),
            (&mut rules.allowed_organizational_units, self.allowed_organizational_units),
            (&mut rules.required_extensions, self.required_extensions),
            (&mut rules.allowed_metadata_extensions, self.allowed_metadata_extensions),
        ] {
            let Some(Words(patterns)) = given else { continue };
            if patterns.len() > PATTERNS_MAX {
                return Err(ApiError::bad_request("too many patterns: 1024 is the limit"));
            }
            *to = patterns;
        }
        Ok(())
    }
}

impl Rules {
    /// Whether a certificate has all that it has to have.
    pub(super) fn admit(&self, client: &Client) -> bool {
        let common = std::slice::from_ref(&client.common_name);
        let all = [common, &client.dns, &client.emails, &client.uris].concat();
        let extension = |required: &String| {
            let Some((oid, pattern)) = required.split_once(':') else { return false };
            client.extensions.get(oid).is_some_and(|text| fits(pattern, text))
        };
        one(&self.allowed_names, &all)
            && one(&self.allowed_common_names, common)
            && one(&self.allowed_dns_sans, &client.dns)
            && one(&self.allowed_email_sans, &client.emails)
            && one(&self.allowed_uri_sans, &client.uris)
            && one(&self.allowed_organizational_units, &client.units)
            && self.required_extensions.iter().all(extension)
    }

    /// The extensions that become metadata: name, with dashes for dots, and text.
    pub(super) fn metadata<'c>(
        &'c self,
        client: &'c Client,
    ) -> impl Iterator<Item = (String, String)> + 'c {
        self.allowed_metadata_extensions.iter().filter_map(|oid| {
            client.extensions.get(oid).map(|text| (oid.replace('.', "-"), text.clone()))
        })
    }

    /// Adds the rules as the API shows them.
    pub(super) fn show(&self, to: &mut Map<String, Value>) {
        for (name, patterns) in [
            ("allowed_names", &self.allowed_names),
            ("allowed_common_names", &self.allowed_common_names),
            ("allowed_dns_sans", &self.allowed_dns_sans),
            ("allowed_email_sans", &self.allowed_email_sans),
            ("allowed_uri_sans", &self.allowed_uri_sans),
            ("allowed_organizational_units", &self.allowed_organizational_units),
            ("required_extensions", &self.required_extensions),
            ("allowed_metadata_extensions", &self.allowed_metadata_extensions),
        ] {
            let shown = if patterns.is_empty() { Value::Null } else { json!(patterns) };
            to.insert(name.to_owned(), shown);
        }
    }
}

fn one(patterns: &[String], names: &[String]) -> bool {
    patterns.is_empty() || patterns.iter().any(|p| names.iter().any(|name| fits(p, name)))
}
