//! `key=value` arguments: plain, from a file (`key=@file`), from standard input (`key=-`), or a whole
//! JSON object from either (`@file`, `-`).

use std::io::Read;
use std::path::PathBuf;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::error::CliError;

/// Largest file or standard input that is taken, bytes: the server takes no more either.
const INPUT_BYTES_MAX: u64 = 32 << 20;

/// Standard input, which can be read once.
#[derive(Debug, Default)]
pub(super) struct Stdin {
    used: bool,
}

impl Stdin {
    /// All of it.
    pub(super) fn read(&mut self) -> Result<Zeroizing<String>, CliError> {
        if std::mem::replace(&mut self.used, true) {
            let text = "standard input (-) can be used only once in a command";
            return Err(CliError::Usage(text.to_owned()));
        }
        read_bounded(&mut std::io::stdin().lock(), &PathBuf::from("standard input"))
    }
}

/// The body that the arguments stand for.
pub(super) fn parse(
    arguments: &[String],
    stdin: &mut Stdin,
) -> Result<Map<String, Value>, CliError> {
    let mut data = Map::new();
    for argument in arguments {
        if argument == "-" {
            data.extend(object(&stdin.read()?, "standard input")?);
        } else if let Some(file) = argument.strip_prefix('@') {
            data.extend(object(&file_text(file)?, file)?);
        } else {
            let (key, value) = pair(argument)?;
            insert(&mut data, key, value_of(value, stdin)?);
        }
    }
    Ok(data)
}

/// `key=value` arguments as query parameters.
pub(super) fn query(arguments: &[String]) -> Result<Vec<(String, String)>, CliError> {
    arguments.iter().map(|a| pair(a).map(|(k, v)| (k.to_owned(), v.to_owned()))).collect()
}

/// Reads a file that is named on the command line.
pub(super) fn file_text(file: &str) -> Result<Zeroizing<String>, CliError> {
    let path = PathBuf::from(file);
    let mut opened = std::fs::File::open(&path)
        .map_err(|source| CliError::File { path: path.clone(), source })?;
    read_bounded(&mut opened, &path)
}

fn pair(argument: &str) -> Result<(&str, &str), CliError> {
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        // The argument itself may be a secret that was typed in the wrong place.
        _ => Err(CliError::Usage(
            "every argument after the path must be key=value, key=@file, key=-, @file.json or -"
                .to_owned(),
        )),
    }
}

fn value_of(text: &str, stdin: &mut Stdin) -> Result<String, CliError> {
    if text == "-" {
        return Ok(stdin.read()?.as_str().to_owned());
    }
    if let Some(file) = text.strip_prefix('@') {
        return Ok(file_text(file)?.as_str().to_owned());
    }
    // A backslash lets a value begin with the sign that means a file.
    Ok(text.strip_prefix('\\').filter(|rest| rest.starts_with('@')).unwrap_or(text).to_owned())
}

/// A key given again makes a list.
fn insert(data: &mut Map<String, Value>, key: &str, value: String) {
    let value = Value::String(value);
    match data.get_mut(key) {
        None => {
            data.insert(key.to_owned(), value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(old) => *old = Value::Array(vec![old.take(), value]),
    }
}

fn object(text: &str, from: &str) -> Result<Map<String, Value>, CliError> {
    serde_json::from_str(text).map_err(|e| {
        CliError::Usage(format!(
            "{from} must hold a JSON object (line {}, column {})",
            e.line(),
            e.column()
        ))
    })
}

fn read_bounded(
    from: &mut dyn Read,
    path: &std::path::Path,
) -> Result<Zeroizing<String>, CliError> {
    let unusable = |source| CliError::File { path: path.to_owned(), source };
    let mut text = Zeroizing::new(String::new());
    from.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text).map_err(unusable)?;
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if length > INPUT_BYTES_MAX {
        return Err(unusable(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Stdin, parse};

    fn body(arguments: &[&str]) -> Result<serde_json::Value, String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        parse(&arguments, &mut Stdin::default())
            .map(serde_json::Value::Object)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn pairs_files_and_lists() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        std::fs::write(&file, "from a file\n").unwrap();
        let json_file = folder.path().join("all.json");
        std::fs::write(&json_file, r#"{"n": 3, "x": {"y": true}}"#).unwrap();
        let found = body(&[
            &format!("@{}", json_file.display()),
            "a=1",
            "b=x=y",
            "c=",
            "d=one",
            "d=two",
            "d=three",
            &format!("e=@{}", file.display()),
            "f=\\@literal",
            "g=\\n",
        ])
        .unwrap();
        let wanted = json!({"n": 3, "x": {"y": true}, "a": "1", "b": "x=y", "c": "",
            "d": ["one", "two", "three"], "e": "from a file\n", "f": "@literal", "g": "\\n"});
        assert_eq!(found, wanted);
    }

    #[test]
    fn mistakes_are_explained_without_repeating_the_argument() {
        for wrong in ["hunter2", "=hunter2"] {
            let error = body(&[wrong]).unwrap_err();
            assert!(error.contains("key=value") && !error.contains("hunter2"), "{error}");
        }
        assert!(body(&["a=@/no/such/file"]).unwrap_err().contains("/no/such/file"));
    }
}
