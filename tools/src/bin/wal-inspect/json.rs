//! The log as one JSON object, written as it is read: a long log takes no more memory than a short
//! one. A log that is followed has no end: it is one object a line.

use std::io::{self, Write};

use serde_json::{Value, json};
use strongroom_wal::Frame;
use strongroom_wal::inspect::{Finding, SegmentFile, Summary};

use crate::output::{Head, Output, kind_word, word};
use crate::records::{Shown, hex};

pub(crate) struct Json<W> {
    out: W,
    frames: u64,
}

impl<W: Write> Json<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, frames: 0 }
    }
}

impl<W: Write> Output for Json<W> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        let segments = segment_values(head);
        let (id, size, spares) = (hex(&head.log_id), head.segment_size, head.spares);
        write!(self.out, "{{\"log_id\":\"{id}\",\"segment_size\":{size},\"spares\":{spares},")?;
        write!(self.out, "\"segments\":{},\n\"frames\":[", Value::from(segments))
    }

    fn frame(
        &mut self,
        frame: &Frame,
        segment_size: u64,
        records: Option<&[Shown]>,
    ) -> io::Result<()> {
        let value = frame_value(frame, segment_size, records)?;
        self.out.write_all(if self.frames == 0 { b"\n" } else { b",\n" })?;
        self.frames += 1;
        write!(self.out, "{value}")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finding(&mut self, _: &Finding) -> io::Result<()> {
        // Findings follow the frames, all together.
        Ok(())
    }

    fn end(&mut self, summary: &Summary, clean: bool) -> io::Result<()> {
        let findings: Vec<Value> = summary.findings.iter().map(finding_value).collect();
        let Summary { end, frames, bytes, cut_short, .. } = summary;
        write!(self.out, "],\n\"findings\":{},\"end\":{end},", Value::from(findings))?;
        write!(self.out, "\"frame_count\":{frames},\"frame_bytes\":{bytes},")?;
        writeln!(self.out, "\"cut_short\":{cut_short},\"clean\":{clean}}}")?;
        self.out.flush()
    }
}

/// One object a line, each on its way as soon as it is there.
pub(crate) struct Lines<W> {
    out: W,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    fn line(&mut self, name: &str, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", json!({ name: value }))?;
        self.out.flush()
    }
}

impl<W: Write> Output for Lines<W> {
    fn head(&mut self, head: &Head) -> io::Result<()> {
        let head = json!({
            "log_id": hex(&head.log_id),
            "segment_size": head.segment_size,
            "spares": head.spares,
            "segments": segment_values(head),
        });
        self.line("log", &head)
    }

    fn frame(
        &mut self,
        frame: &Frame,
        segment_size: u64,
        records: Option<&[Shown]>,
    ) -> io::Result<()> {
        self.line("frame", &frame_value(frame, segment_size, records)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.line("finding", &finding_value(finding))
    }

    fn end(&mut self, summary: &Summary, clean: bool) -> io::Result<()> {
        self.line("end", &json!({ "lsn": summary.end.0, "clean": clean }))
    }
}

fn segment_values(head: &Head) -> Vec<Value> {
    let value = |segment: &SegmentFile| {
        json!({
            "segment": segment.no,
            "bytes_on_disk": segment.bytes_on_disk,
            "header": segment.header.as_ref().map(|header| json!({
                "generation": header.generation,
                "durable_lsn": header.durable_lsn.0,
                "recycled": header.recycled,
            })),
        })
    };
    head.segments.iter().map(value).collect()
}

fn frame_value(
    frame: &Frame,
    segment_size: u64,
    records: Option<&[Shown]>,
) -> serde_json::Result<Value> {
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
    if let Some(records) = records {
        value["records"] = serde_json::to_value(records)?;
    }
    Ok(value)
}

fn finding_value(finding: &Finding) -> Value {
    json!({
        "kind": word(finding.kind),
        "damage": finding.kind.is_damage(),
        "lsn": finding.lsn.0,
        "segment": finding.segment,
        "offset": finding.offset,
    })
}
