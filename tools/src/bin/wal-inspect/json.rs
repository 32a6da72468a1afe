//! The log as one JSON object, written as it is read: a long log takes no more memory than a short one.

use std::io::{self, Write};

use serde_json::{Value, json};
use strongroom_wal::Frame;
use strongroom_wal::inspect::{Finding, Summary};

use crate::records::{Shown, describe, hex};
use crate::table::kind_word;
use crate::{Head, Output, word};

pub(crate) struct Json<W> {
    out: W,
    records: bool,
    frames: u64,
}

impl<W: Write> Json<W> {
    pub(crate) fn new(out: W, records: bool) -> Self {
        Self { out, records, frames: 0 }
    }
}

impl<W: Write> Output for Json<W> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        let segments: Vec<Value> = head
            .segments
            .iter()
            .map(|segment| {
                json!({
                    "segment": segment.no,
                    "bytes_on_disk": segment.bytes_on_disk,
                    "header": segment.header.as_ref().map(|header| json!({
                        "generation": header.generation,
                        "durable_lsn": header.durable_lsn.0,
                        "recycled": header.recycled,
                    })),
                })
            })
            .collect();
        let (id, size, spares) = (hex(&head.log_id), head.segment_size, head.spares);
        write!(self.out, "{{\"log_id\":\"{id}\",\"segment_size\":{size},\"spares\":{spares},")?;
        write!(self.out, "\"segments\":{},\n\"frames\":[", Value::from(segments))
    }

    fn frame(&mut self, frame: &Frame, segment_size: u64) -> io::Result<()> {
        let header = &frame.header;
        let lsn = header.lsn.0;
        let mut value = json!({
            "lsn": lsn,
            "segment": lsn / segment_size,
            "offset": lsn % segment_size,
            "generation": header.generation,
            "durable_lsn": header.durable_lsn.0,
            "record_count": header.records,
            "bytes": header.total_bytes(),
            "kind": kind_word(header.kind),
        });
        if self.records {
            let records: Vec<Shown> =
                frame.records().map(|(lsn, bytes)| describe(lsn.0, bytes)).collect();
            value["records"] = serde_json::to_value(records)?;
        }
        self.out.write_all(if self.frames == 0 { b"\n" } else { b",\n" })?;
        self.frames += 1;
        write!(self.out, "{value}")
    }

    fn finding(&mut self, _: &Finding) -> io::Result<()> {
        // Findings follow the frames, all together.
        Ok(())
    }

    fn end(&mut self, summary: &Summary, clean: bool) -> io::Result<()> {
        let findings: Vec<Value> = summary
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "kind": word(finding.kind),
                    "damage": finding.kind.is_damage(),
                    "lsn": finding.lsn.0,
                    "segment": finding.segment,
                    "offset": finding.offset,
                })
            })
            .collect();
        let Summary { end, frames, bytes, cut_short, .. } = summary;
        write!(self.out, "],\n\"findings\":{},\"end\":{end},", Value::from(findings))?;
        write!(self.out, "\"frame_count\":{frames},\"frame_bytes\":{bytes},")?;
        writeln!(self.out, "\"cut_short\":{cut_short},\"clean\":{clean}}}")?;
        self.out.flush()
    }
}
