//! Patterns of paths: what they match, and which of two is the more specific.
//!
//! An exact pattern beats every other. Of two patterns with wildcards the lower one is, in this
//! order, the one whose first wildcard comes earlier; that ends in `*` when the other does not; with
//! more `+` segments; that is shorter; that sorts first.

use std::cmp::{Ordering, Reverse};

pub(super) fn split_glob(pattern: &str) -> (&str, bool) {
    pattern.strip_suffix('*').map_or((pattern, false), |text| (text, true))
}

/// Orders two patterns, each without its final `*` and with whether it has one, by how specific they
/// are.
pub(super) fn by_priority(a: (&str, bool), b: (&str, bool)) -> Ordering {
    fn key((text, glob): (&str, bool)) -> (usize, bool, Reverse<usize>, usize, &str) {
        let plus = text.split('/').filter(|s| *s == "+").count();
        let first = if plus > 0 { first_plus(text) } else { text.len() };
        let first = if plus == 0 && !glob { usize::MAX } else { first };
        (first, !glob, Reverse(plus), text.len(), text)
    }
    key(a).cmp(&key(b))
}

/// Byte position of the first segment that is `+`.
pub(super) fn first_plus(text: &str) -> usize {
    let mut at = 0;
    for segment in text.split('/') {
        if segment == "+" {
            return at;
        }
        at += segment.len() + 1;
    }
    text.len()
}

pub(super) fn segments_match(text: &str, glob: bool, path: &str) -> bool {
    let mut wanted = text.split('/').peekable();
    let mut given = path.split('/');
    while let Some(want) = wanted.next() {
        let Some(have) = given.next() else { return false };
        let last = wanted.peek().is_none();
        let fits = want == "+" || want == have || (last && glob && have.starts_with(want));
        if !fits {
            return false;
        }
    }
    glob || given.next().is_none()
}

/// Whether the pattern can match a path below `folder`.
pub(super) fn segments_touch(text: &str, glob: bool, folder: &str) -> bool {
    let mut wanted = text.split('/');
    for have in folder.trim_end_matches('/').split('/') {
        match wanted.next() {
            Some(want) if want == "+" || want == have => {}
            Some(want) => return glob && wanted.next().is_none() && have.starts_with(want),
            None => return glob,
        }
    }
    glob || wanted.next().is_some()
}

pub(super) fn common_prefix<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    while !a.is_char_boundary(end) {
        end -= 1;
    }
    &a[..end]
}
