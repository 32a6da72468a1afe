//! The recovery table: what is found where the log stops, and what that means.
//!
//! Recovery walks the chain of frames. At each position it sees one [`Seen`]. Where the chain does
//! not go on, it searches everything behind for proof that more had been durable ([`Later`]): a
//! sound header whose durable mark lies beyond the position, or the caller's own knowledge. The
//! table is the only place that turns the two into a [`Verdict`]. Its principle: damage at or below
//! the highest proven durable position is rot and is refused; damage above it was promised to
//! nobody and is dropped.

/// What stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A sound frame that continues the chain.
    Frame,
    /// A sound seal that continues the chain: the log goes on in the next segment.
    Seal,
    /// Zeros, or the end of the file: never written.
    Blank,
    /// In a recycled segment: bytes of its former life, or a torn frame without its first sector.
    Leftover,
    /// A damaged frame, or bytes that are no frame.
    Damaged,
    /// A sound frame that does not continue the chain: of a tail that was dropped before.
    Stale,
    /// A sound frame of a newer format.
    NewerFrame,
    /// A sound header of the next segment that continues the chain.
    Segment,
    /// There is no file for the next segment.
    NoSegment,
    /// The next segment's file has no header yet.
    BlankSegment,
    /// The next segment's header is damaged or that of another segment.
    DamagedSegment,
    /// A sound segment header that does not continue the chain.
    StaleSegment,
    /// A segment of another log or another size.
    ForeignSegment,
    /// A segment of a newer format.
    NewerSegment,
}

/// What is known about the log behind a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Nothing sound stands behind it.
    Nothing,
    /// Sound frames stand behind it, but none says that this position was durable.
    Unproven,
    /// Something says that the log was durable beyond this position.
    Proven,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take it and go on behind it.
    GoOn,
    /// Take it and go on in the next segment.
    NextSegment,
    /// The log ends here and nothing was lost.
    CleanEnd,
    /// The log ends here; what stands behind was never acknowledged and is dropped.
    TornEnd,
    /// Acknowledged bytes are damaged: refuse.
    Rotten,
    /// An acknowledged segment is missing: refuse.
    Missing,
    /// Another log's file: refuse.
    Foreign,
    /// A newer version's file: refuse.
    Newer,
}

/// The recovery table.
#[must_use]
pub fn decide(seen: Seen, later: Later) -> Verdict {
    use Later::{Nothing, Proven, Unproven};
    match (seen, later) {
        // The chain goes on; what stands behind is judged when it is reached.
        (Seen::Frame | Seen::Segment, _) => Verdict::GoOn,
        (Seen::Seal, _) => Verdict::NextSegment,
        // Not ours to judge, whatever stands behind.
        (Seen::ForeignSegment, _) => Verdict::Foreign,
        (Seen::NewerFrame | Seen::NewerSegment, _) => Verdict::Newer,
        // The end, untouched. A segment is made before the seal that leads to it, so its header
        // may be absent in every way.
        (Seen::Blank | Seen::Leftover | Seen::NoSegment | Seen::BlankSegment, Nothing) => {
            Verdict::CleanEnd
        }
        // A write that did not finish, or a tail that was dropped before.
        (
            Seen::Damaged | Seen::DamagedSegment | Seen::Stale | Seen::StaleSegment,
            Nothing | Unproven,
        )
        | (Seen::Blank | Seen::Leftover | Seen::NoSegment | Seen::BlankSegment, Unproven) => {
            Verdict::TornEnd
        }
        // It was durable once and is not there now.
        (Seen::NoSegment, Proven) => Verdict::Missing,
        (
            Seen::Blank
            | Seen::Leftover
            | Seen::Damaged
            | Seen::Stale
            | Seen::BlankSegment
            | Seen::DamagedSegment
            | Seen::StaleSegment,
            Proven,
        ) => Verdict::Rotten,
    }
}

#[cfg(test)]
mod tests {
    use super::{Later::*, Seen::*, *};

    /// One test a row, for each of the three columns.
    macro_rules! rows {
        ($($name:ident: $seen:ident => $nothing:ident, $unproven:ident, $proven:ident;)*) => {$(
            #[test]
            fn $name() {
                assert_eq!(decide($seen, Nothing), Verdict::$nothing);
                assert_eq!(decide($seen, Unproven), Verdict::$unproven);
                assert_eq!(decide($seen, Proven), Verdict::$proven);
            }
        )*};
    }

    rows! {
        frame_goes_on: Frame => GoOn, GoOn, GoOn;
        segment_goes_on: Segment => GoOn, GoOn, GoOn;
        seal_leads_on: Seal => NextSegment, NextSegment, NextSegment;
        blank_is_the_end: Blank => CleanEnd, TornEnd, Rotten;
        leftover_is_the_end: Leftover => CleanEnd, TornEnd, Rotten;
        damaged_is_torn_unless_proven: Damaged => TornEnd, TornEnd, Rotten;
        stale_is_dropped_unless_proven: Stale => TornEnd, TornEnd, Rotten;
        newer_frame_is_refused: NewerFrame => Newer, Newer, Newer;
        no_segment_is_the_end: NoSegment => CleanEnd, TornEnd, Missing;
        blank_segment_is_the_end: BlankSegment => CleanEnd, TornEnd, Rotten;
        damaged_segment_is_torn: DamagedSegment => TornEnd, TornEnd, Rotten;
        stale_segment_is_dropped: StaleSegment => TornEnd, TornEnd, Rotten;
        foreign_segment_is_refused: ForeignSegment => Foreign, Foreign, Foreign;
        newer_segment_is_refused: NewerSegment => Newer, Newer, Newer;
    }
}
