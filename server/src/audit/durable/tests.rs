//! Files that crashes cut short, that are renamed, and that somebody else writes to.

use std::fs::{self, OpenOptions};

use super::*;

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    fn open(&self) -> DurableSink {
        DurableSink::open(self.path(), Some(0o600)).unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn cut(&self, bytes: u64) {
        OpenOptions::new().write(true).open(self.path()).unwrap().set_len(bytes).unwrap();
    }
}

fn write(sink: &mut DurableSink, text: &str) {
    sink.write(text.as_bytes(), &[text.len()]).unwrap();
}

/// Ends as a killed process does: nothing is said in the journal any more.
fn kill(mut sink: DurableSink) {
    drop(sink.at_work.take());
}

#[test]
fn what_a_crash_kept_from_the_file_comes_from_the_journal() {
    let case = Case::new();
    let mut sink = case.open();
    let lines: Vec<String> = (0..40).map(|n| format!("line {n}\n")).collect();
    for line in &lines {
        write(&mut sink, line);
    }
    let whole = lines.concat();
    assert_eq!(case.text(), whole);
    // Whatever part of the file the power took with it.
    for left in [0, 3, 7, 8, 100, whole.len() as u64] {
        kill(sink);
        case.cut(left);
        sink = case.open();
        assert_eq!(case.text(), whole, "{left} bytes were left");
    }
    write(&mut sink, "more\n");
    drop(sink);
    // In good order: what is missing now was taken away on purpose.
    case.cut(0);
    let sink = case.open();
    assert_eq!(case.text(), "");
    drop(sink);
}

#[test]
fn a_renamed_file_keeps_what_it_has_and_loses_nothing() {
    let case = Case::new();
    let mut sink = case.open();
    write(&mut sink, "one\n");
    let old = case.folder.path().join("audit.log.1");
    fs::rename(case.path(), &old).unwrap();
    sink.reopen();
    write(&mut sink, "two\n");
    assert_eq!(
        (fs::read_to_string(&old).unwrap().as_str(), case.text().as_str()),
        ("one\n", "two\n")
    );
    kill(sink);
    // Renamed while nobody was there, cut short, and written by somebody else.
    fs::rename(case.path(), case.folder.path().join("audit.log.2")).unwrap();
    fs::write(case.path(), "theirs").unwrap();
    let sink = case.open();
    assert_eq!(case.text(), "theirs\ntwo\n");
    drop(sink);
}

#[test]
fn a_batch_beyond_a_frame_and_a_journal_beyond_a_segment() {
    let case = Case::new();
    let mut sink = case.open();
    let line = format!("{}\n", "x".repeat(1023));
    let batch = line.repeat(9 << 10);
    for _ in 0..4 {
        write(&mut sink, &batch);
    }
    kill(sink);
    let whole = case.text();
    assert_eq!(whole.len(), 4 * batch.len());
    case.cut(whole.len() as u64 - 1500);
    let mut sink = case.open();
    assert!(case.text() == whole, "the end is back");
    sink.reopen();
    write(&mut sink, "x\n");
    write(&mut sink, "y\n");
    let segments = fs::read_dir(folder_of(&case.path())).unwrap().count();
    assert!(segments <= 5, "a lock, the segment in use, spares: {segments}");
}

/// What was left of a batch that the journal does not have was glued to the next line.
#[test]
fn a_torn_end_gets_its_own_line() {
    let case = Case::new();
    let mut sink = case.open();
    write(&mut sink, "one\n");
    kill(sink);
    fs::write(case.path(), "one\n{\"torn").unwrap();
    let mut sink = case.open();
    write(&mut sink, "two\n");
    assert_eq!(case.text(), "one\n{\"torn\ntwo\n");
}

/// The second part of a large batch began a line of its own in another file.
#[test]
fn a_line_that_was_cut_for_the_journal_is_whole_in_another_file() {
    let case = Case::new();
    let mut sink = case.open();
    let line = format!("{}\n", "x".repeat(9 << 20));
    write(&mut sink, &line);
    kill(sink);
    fs::rename(case.path(), case.folder.path().join("audit.log.1")).unwrap();
    let sink = case.open();
    assert!(case.text() == line);
    drop(sink);
}

#[test]
fn one_owner_and_a_plain_file() {
    let case = Case::new();
    let sink = case.open();
    let second = DurableSink::open(case.path(), None).err().unwrap();
    assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
    drop(sink);
    drop(case.open());
    let pipe = DurableSink::open(PathBuf::from("/dev/null"), None).err().unwrap();
    assert_eq!(pipe.kind(), io::ErrorKind::InvalidInput);
}
