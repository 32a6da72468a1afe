//! Any two sides, over messages so short that everything takes many of them, in any order of sending
//! and receiving, with what was found taken out at any time and the connection lost at any time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::{Mem, short};
use crate::digest::{Digest, KeyHash};
use crate::pages::MemPages;
use crate::reconcile::{Answers, Differences, Initiator, KeyspaceDiff, KeyspaceId, Responder};
use crate::trie::{Change, Trie};
use crate::view::View;

type Leaves = BTreeMap<KeyHash, u8>;
type Side = BTreeMap<KeyspaceId, Leaves>;

/// Hashes that agree with others in any number of bytes.
fn hashes() -> impl Strategy<Value = Vec<KeyHash>> {
    let fronts = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..7), 1..5);
    let tails = prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 24]>()), 0..300);
    (fronts, tails).prop_map(|(fronts, tails)| {
        let hash = |(front, mut hash): (prop::sample::Index, [u8; 24])| {
            let front = &fronts[front.index(fronts.len())];
            hash[..front.len()].copy_from_slice(front);
            KeyHash(hash)
        };
        tails.into_iter().map(hash).collect()
    })
}

/// Where the leaves of a keyspace are: a few here alone, there alone, and of two values.
fn keyspace() -> impl Strategy<Value = (Leaves, Leaves)> {
    (hashes(), prop::collection::vec(0u8..12, 1..40), 0u8..4).prop_map(|(hashes, places, few)| {
        let (mut here, mut there) = (Leaves::new(), Leaves::new());
        for (at, hash) in hashes.into_iter().enumerate() {
            let place = places[at % places.len()];
            if place != 0 && few != 1 {
                here.insert(hash, 0);
            }
            if place != 1 && few != 2 {
                there.insert(hash, u8::from(place == 2));
            }
        }
        (here, there)
    })
}

fn sides() -> impl Strategy<Value = (Side, Side)> {
    prop::collection::vec((keyspace(), 0u8..6), 0..5).prop_map(|keyspaces| {
        let (mut here, mut there) = (Side::new(), Side::new());
        for (no, ((ours, theirs), place)) in (0..).zip(keyspaces) {
            if place != 0 {
                here.insert([no; 16], ours);
            }
            if place != 1 {
                there.insert([no; 16], theirs);
            }
        }
        (here, there)
    })
}

fn tries(side: &Side) -> BTreeMap<KeyspaceId, Mem> {
    let trie = |leaves: &Leaves| {
        let mut view = View::new(Trie::new(), MemPages::new());
        let change = |(hash, value): (&KeyHash, &u8)| {
            let put = Some((Digest([*value; 32]), ()));
            Change { hash: *hash, key: &[], put, before: None }
        };
        let mut changes: Vec<_> = leaves.iter().map(change).collect();
        view.trie.apply(&view.pages, &mut changes).unwrap();
        view
    };
    side.iter().map(|(id, leaves)| (*id, trie(leaves))).collect()
}

fn expected(here: &Side, there: &Side) -> Differences {
    let mut differences = Differences {
        missing_here: there.keys().filter(|id| !here.contains_key(*id)).copied().collect(),
        extra_here: here.keys().filter(|id| !there.contains_key(*id)).copied().collect(),
        ..Differences::default()
    };
    for (id, ours) in here {
        let Some(theirs) = there.get(id) else { continue };
        let fetch = theirs.iter().filter(|(hash, value)| ours.get(hash) != Some(value));
        let delete = ours.keys().filter(|hash| !theirs.contains_key(hash));
        let diff = KeyspaceDiff {
            fetch: fetch.map(|(hash, _)| *hash).collect(),
            delete: delete.copied().collect(),
        };
        if diff != KeyspaceDiff::default() {
            differences.keyspaces.insert(*id, diff);
        }
    }
    differences
}

/// What was taken out at several times, of which none may be given twice.
#[derive(Default)]
struct Taken {
    keys: BTreeMap<KeyspaceId, (BTreeSet<KeyHash>, BTreeSet<KeyHash>)>,
    missing: BTreeSet<KeyspaceId>,
    extra: BTreeSet<KeyspaceId>,
}

impl Taken {
    fn add(&mut self, differences: Differences) {
        for (id, diff) in differences.keyspaces {
            let (fetch, delete) = self.keys.entry(id).or_default();
            assert!(diff.fetch.is_sorted() && diff.fetch.into_iter().all(|key| fetch.insert(key)));
            assert!(diff.delete.is_sorted() && diff.delete.into_iter().all(|k| delete.insert(k)));
        }
        assert!(differences.missing_here.into_iter().all(|id| self.missing.insert(id)));
        assert!(differences.extra_here.into_iter().all(|id| self.extra.insert(id)));
    }

    fn all(self) -> Differences {
        let diff = |(fetch, delete): (BTreeSet<_>, BTreeSet<_>)| KeyspaceDiff {
            fetch: fetch.into_iter().collect(),
            delete: delete.into_iter().collect(),
        };
        Differences {
            keyspaces: self.keys.into_iter().map(|(id, keys)| (id, diff(keys))).collect(),
            missing_here: self.missing.into_iter().collect(),
            extra_here: self.extra.into_iter().collect(),
        }
    }
}

/// What the one that carries the messages does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    Receive,
    Take,
    LoseConnection,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => Just(Step::Ask),
        40 => Just(Step::Receive),
        5 => Just(Step::Take),
        1 => Just(Step::LoseConnection),
    ];
    prop::collection::vec(step, 1..100)
}

fn carry(
    mut initiator: Initiator<MemPages<()>>,
    responder: &Responder<MemPages<()>>,
    steps: &[Step],
    message_bytes: usize,
) -> Differences {
    let mut taken = Taken::default();
    let mut out: VecDeque<Answers<'_, MemPages<()>>> = VecDeque::new();
    let mut losses = 0;
    for step in steps.iter().cycle().take(1 << 20) {
        match step {
            Step::Ask => {
                if let Some(request) = initiator.next_request() {
                    assert!(request.len() <= message_bytes);
                    out.push_back(responder.answer(&request).unwrap());
                } else if initiator.unanswered() == 0 {
                    break;
                }
            }
            Step::Receive => {
                if let Some(answers) = out.front_mut() {
                    match answers.next() {
                        None => drop(out.pop_front()),
                        Some(message) => {
                            let message = message.unwrap();
                            assert!(message.len() <= message_bytes);
                            initiator.on_response(&message).unwrap();
                        }
                    }
                }
            }
            Step::Take => taken.add(initiator.drain().unwrap()),
            // Lost for ever it gets nowhere.
            Step::LoseConnection if losses < 8 => {
                losses += 1;
                out.clear();
                initiator.ask_again();
                assert_eq!(initiator.unanswered(), 0);
            }
            Step::LoseConnection => {}
        }
    }
    assert!(initiator.trips() <= 2);
    taken.add(initiator.finish().unwrap());
    taken.all()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_two_sides(
        (here, there) in sides(),
        steps in steps(),
        message_bytes in prop_oneof![256usize..400, 400usize..3000],
    ) {
        let limits = short(message_bytes);
        let responder = Responder::with_limits(tries(&there), limits);
        let initiator = Initiator::with_limits(tries(&here), [7; 16], limits);
        let steps: Vec<Step> = steps.into_iter().chain([Step::Ask, Step::Receive]).collect();
        prop_assert_eq!(
            carry(initiator, &responder, &steps, message_bytes),
            expected(&here, &there)
        );
    }
}
