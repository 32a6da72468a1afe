//! Asks a person for a secret without showing it.

use std::io::{BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::error::CliError;

/// One line from standard input; on a terminal the question is shown and the answer is not.
pub(super) fn secret(question: &str) -> Result<Zeroizing<String>, CliError> {
    let stdin = std::io::stdin();
    let hidden = if stdin.is_terminal() {
        eprint!("{question} (will be hidden): ");
        std::io::stderr().flush()?;
        Some(Hidden::start()?)
    } else {
        None
    };
    let mut line = Zeroizing::new(String::new());
    let outcome = stdin.lock().read_line(&mut line);
    if hidden.is_some() {
        eprintln!();
    }
    drop(hidden);
    outcome?;
    let text = line.trim();
    if text.is_empty() {
        return Err(CliError::Usage(format!("nothing was entered for: {question}")));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Echo is off while this lives.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn start() -> Result<Self, std::io::Error> {
        let before = tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
    }
}
