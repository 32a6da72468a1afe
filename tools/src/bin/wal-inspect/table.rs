//! The log as a table for people.

use std::io::{self, Write};

use strongroom_wal::Frame;
use strongroom_wal::inspect::{Finding, Summary};

use crate::output::{Head, Output, explain, kind_word, word};
use crate::records::{Shown, hex};

pub(crate) struct Table<W> {
    out: W,
}

impl<W: Write> Table<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> Output for Table<W> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        let out = &mut self.out;
        writeln!(
            out,
            "log {}, segments of {} bytes, {} spare",
            hex(&head.log_id),
            head.segment_size,
            head.spares
        )?;
        writeln!(out, "\n{:>8}  {:>12}  {:>10}  file", "SEGMENT", "BYTES", "GENERATION")?;
        for segment in &head.segments {
            let generation = match &segment.header {
                Some(header) => header.generation.to_string(),
                None => "damaged".to_owned(),
            };
            let (no, bytes) = (segment.no, segment.bytes_on_disk);
            writeln!(out, "{no:>8}  {bytes:>12}  {generation:>10}  wal-{no:016x}.log")?;
        }
        writeln!(
            out,
            "\n{:>14}  {:>8}  {:>10}  {:>4}  {:>7}  {:>9}  KIND",
            "LSN", "SEGMENT", "OFFSET", "GEN", "RECORDS", "BYTES"
        )
    }

    fn frame(
        &mut self,
        frame: &Frame,
        segment_size: u64,
        records: Option<&[Shown]>,
    ) -> io::Result<()> {
        let header = &frame.header;
        let lsn = header.lsn.0;
        writeln!(
            self.out,
            "{lsn:>14}  {:>8}  {:>10}  {:>4}  {:>7}  {:>9}  {}",
            lsn / segment_size,
            lsn % segment_size,
            header.generation,
            header.records,
            header.total_bytes(),
            kind_word(header.kind)
        )?;
        for shown in records.unwrap_or_default() {
            writeln!(self.out, "{:>16}  {} {}", shown.lsn, shown.kind, shown.detail)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let Finding { kind, lsn, segment, offset } = finding;
        let (word, what) = (word(*kind).to_uppercase(), explain(*kind));
        writeln!(self.out, "{lsn:>14}  {segment:>8}  {offset:>10}  {word}: {what}")
    }

    fn end(&mut self, summary: &Summary, clean: bool) -> io::Result<()> {
        let Summary { end, frames, bytes, findings, cut_short } = summary;
        writeln!(self.out, "\nend {end}: {frames} frames, {bytes} bytes")?;
        if *cut_short {
            writeln!(self.out, "stopped after {} findings", findings.len())?;
        }
        let damaged = findings.iter().filter(|finding| finding.kind.is_damage()).count();
        if clean {
            writeln!(self.out, "clean")?;
        } else {
            writeln!(self.out, "DAMAGED in {damaged} place(s)")?;
        }
        self.out.flush()
    }
}
