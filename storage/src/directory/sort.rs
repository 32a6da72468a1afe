//! Sorting keys in bulk, on two threads.

/// Fewer keys are sorted by one thread: a second one costs more than it saves.
const ALONE: usize = 20_000;

/// How many keys are looked at to find one from the middle.
const SAMPLES: usize = 63;

/// A key with eight of its bytes, from where keys begin to differ: most comparisons end there.
type Headed<'a> = (u64, &'a [u8]);

/// Sorts keys by their bytes.
pub(crate) fn sort_keys(keys: &mut [&[u8]]) {
    let shared = shared_beginning(keys);
    if keys.len() < ALONE {
        let mut headed: Vec<_> = keys.iter().map(|key| (head(key, shared), *key)).collect();
        sort_into(&mut headed, shared, keys);
        return;
    }
    let middle = middle_head(keys, shared);
    let (mut low, mut high) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for key in &*keys {
        let head = head(key, shared);
        if head < middle { low.push((head, *key)) } else { high.push((head, *key)) }
    }
    let (left, right) = keys.split_at_mut(low.len());
    std::thread::scope(|scope| {
        scope.spawn(|| sort_into(&mut low, shared, left));
        sort_into(&mut high, shared, right);
    });
}

fn sort_into<'a>(headed: &mut [Headed<'a>], shared: usize, keys: &mut [&'a [u8]]) {
    // Equal heads say nothing of the rest, nor of lengths: a short key is padded with zeroes.
    headed.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x[shared..].cmp(&y[shared..])));
    for (to, (_, key)) in keys.iter_mut().zip(headed) {
        *to = key;
    }
}

/// How many bytes all keys begin with.
fn shared_beginning(keys: &[&[u8]]) -> usize {
    let Some((first, others)) = keys.split_first() else { return 0 };
    let mut shared = *first;
    for key in others {
        if !key.starts_with(shared) {
            let equal = shared.iter().zip(*key).take_while(|(a, b)| a == b).count();
            shared = &shared[..equal];
        }
    }
    shared.len()
}

/// Eight bytes after the shared ones, as a number that orders like them.
fn head(key: &[u8], shared: usize) -> u64 {
    let rest = &key[shared..];
    if let Some(bytes) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes)
}

/// A head that about half of the keys are below.
fn middle_head(keys: &[&[u8]], shared: usize) -> u64 {
    let step = keys.len() / SAMPLES;
    let mut heads: Vec<u64> =
        keys.iter().step_by(step.max(1)).map(|key| head(key, shared)).collect();
    heads.sort_unstable();
    heads[heads.len() / 2]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorts_as_the_bytes_do(
            prefix in proptest::collection::vec(any::<u8>(), 0..10),
            rests in proptest::collection::vec(proptest::collection::vec(0u8..3, 0..12), 0..200),
        ) {
            let owned: Vec<_> = rests.iter().map(|r| [prefix.as_slice(), r].concat()).collect();
            let mut keys: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort_keys(&mut keys);
            prop_assert_eq!(keys, expected);
        }
    }

    #[test]
    fn sorts_many_keys_on_two_threads() {
        let numbers = (0..3 * ALONE).map(|i| i * 7919 % (2 * ALONE));
        for owned in [
            numbers.clone().map(|i| format!("{i:08}").into_bytes()).collect::<Vec<_>>(),
            numbers.map(|i| format!("the same beginning of all {}", i % 7).into_bytes()).collect(),
        ] {
            let mut keys: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort_keys(&mut keys);
            assert_eq!(keys, expected);
        }
    }
}
