//! The log as those see it who follow it over the API.
//!
//! Beside standard error, events go to everyone who follows, each from the level that they asked for; what
//! standard error shows stays as it is. While nobody follows this costs nothing: the layer is off. Whoever reads
//! too slowly misses lines and is told how many.

use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::{Registry, reload};

use crate::engine::stamp::Stamp;

/// Lines that a follower may be behind.
const KEPT: usize = 1024;

/// One process has one log, so this is one too.
static LINES: LazyLock<Sender<Arc<Line>>> = LazyLock::new(|| channel(KEPT).0);
static FOLLOWED: Mutex<Vec<LevelFilter>> = Mutex::new(Vec::new());
static FILTER: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// One event.
#[derive(Debug)]
struct Line {
    at: Stamp,
    level: Level,
    part: &'static str,
    message: String,
    fields: Map<String, Value>,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For humans.
    Standard,
    /// One object a line.
    Json,
}

/// The layer, and the filter that turns it on: the lowest level that anyone follows.
pub(super) fn layer() -> (Tail, reload::Layer<LevelFilter, Registry>) {
    let (filter, handle) = reload::Layer::new(LevelFilter::OFF);
    // A second log is refused later on, so the first handle is the right one.
    let _ = FILTER.set(handle);
    (Tail, filter)
}

/// Hands events to the followers.
pub(super) struct Tail;

impl<S: Subscriber> Layer<S> for Tail {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line {
            at: SystemTime::now().into(),
            level: *event.metadata().level(),
            part: event.metadata().target(),
            message: String::new(),
            fields: Map::new(),
        };
        event.record(&mut line);
        // Fails when the last follower has just gone.
        let _ = LINES.send(Arc::new(line));
    }
}

impl Line {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// Lines of the log from now on. Cancel-safe: a line that was not returned comes next.
#[derive(Debug)]
pub(crate) struct Follow {
    lines: Receiver<Arc<Line>>,
    level: LevelFilter,
    form: Form,
}

impl Follow {
    /// Everything of this level and above.
    pub(crate) fn new(level: LevelFilter, form: Form) -> Self {
        let lines = LINES.subscribe();
        let mut followed = FOLLOWED.lock().unwrap_or_else(PoisonError::into_inner);
        followed.push(level);
        open_for(&followed);
        Self { lines, level, form }
    }

    /// The next line with its line break.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            match self.lines.recv().await {
                Ok(line) if self.level >= line.level => return Some(line.text(self.form)),
                Ok(_) => {}
                Err(RecvError::Lagged(n)) => return Some(missed(n).text(self.form)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let mut followed = FOLLOWED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = followed.iter().position(|level| *level == self.level) {
            followed.swap_remove(at);
        }
        open_for(&followed);
    }
}

/// Lets through what the most curious follower wants.
fn open_for(followed: &[LevelFilter]) {
    let lowest = followed.iter().copied().max().unwrap_or(LevelFilter::OFF);
    if let Some(handle) = FILTER.get() {
        // Fails only when the log is gone, which happens at the end of the process.
        let _ = handle.reload(lowest);
    }
}

fn missed(lines: u64) -> Line {
    Line {
        at: SystemTime::now().into(),
        level: Level::WARN,
        part: "monitor",
        message: format!("{lines} lines were left out: they came faster than they were read"),
        fields: Map::new(),
    }
}

impl Line {
    fn text(&self, form: Form) -> String {
        match form {
            Form::Standard => self.standard(),
            Form::Json => self.json(),
        }
    }

    fn standard(&self) -> String {
        let level = format!("[{}]", self.level);
        let mut text = format!("{} {level:<7} {}: {}", self.at.rfc3339(), self.part, self.message);
        for (name, value) in &self.fields {
            // Text goes without quotes where nothing can be mistaken.
            let plain = value.as_str().filter(|v| !v.contains([' ', '"', '=', '\n']));
            let _ = match plain {
                Some(plain) => write!(text, " {name}={plain}"),
                None => write!(text, " {name}={value}"),
            };
        }
        text.push('\n');
        text
    }

    fn json(&self) -> String {
        let mut object = self.fields.clone();
        for (name, value) in [
            ("@level", self.level.as_str().to_ascii_lowercase()),
            ("@message", self.message.clone()),
            ("@module", self.part.to_owned()),
            ("@timestamp", self.at.rfc3339()),
        ] {
            object.insert(name.to_owned(), value.into());
        }
        format!("{}\n", Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// There is one log: what one test writes to it, the other one's follower would see.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[tokio::test]
    async fn followers_get_what_they_asked_for_in_their_form() {
        let _alone = ALONE.lock().await;
        let mut all = Follow::new(LevelFilter::DEBUG, Form::Standard);
        let mut some = Follow::new(LevelFilter::WARN, Form::Json);
        tracing::subscriber::with_default(Registry::default().with(Tail), || {
            tracing::debug!(target: "tail-test", n = 5, name = "a b", "quiet");
            tracing::warn!(target: "tail-test", plain = "x", ok = true, "loud");
        });
        let first = all.next().await.unwrap();
        assert!(first.ends_with(" [DEBUG] tail-test: quiet n=5 name=\"a b\"\n"), "{first}");
        let second = all.next().await.unwrap();
        assert!(second.ends_with(" [WARN]  tail-test: loud ok=true plain=x\n"), "{second}");
        let only: Value = serde_json::from_str(&some.next().await.unwrap()).unwrap();
        assert_eq!((&only["@level"], &only["@message"]), (&"warn".into(), &"loud".into()));
        assert_eq!((&only["plain"], &only["ok"]), (&"x".into(), &true.into()));
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_what_is_missing() {
        let _alone = ALONE.lock().await;
        let mut slow = Follow::new(LevelFilter::INFO, Form::Standard);
        tracing::subscriber::with_default(Registry::default().with(Tail), || {
            for n in 0..KEPT + 10 {
                tracing::info!(target: "tail-test", n, "many");
            }
        });
        let first = slow.next().await.unwrap();
        assert!(first.contains("lines were left out"), "{first}");
        assert!(slow.next().await.unwrap().contains("many"));
    }
}
