//! JSON Lines out: one object a line, the record first, then what is carried through.

use std::io;

use super::super::block::{Carried, Outcome};
use super::columns::OWN_IN_JSON;
use super::{Batch, Encoded, Encoder};

/// The format.
pub(super) struct JsonLines;

impl Encoder for JsonLines {
    fn encode(&self, batch: &Batch<'_>) -> io::Result<Encoded> {
        let mut out = Vec::with_capacity(batch.answered.len() * 4096);
        for answered in &batch.answered {
            match &answered.outcome {
                Outcome::Tagged(record) => serde_json::to_writer(&mut out, record)?,
                Outcome::SetAside(error) => serde_json::to_writer(&mut out, error)?,
                Outcome::Kept(line) => {
                    out.extend(&line.head);
                    out.extend(line.rest);
                    continue;
                }
            }
            // Both are objects that are not empty; what is carried goes in before their end.
            out.pop();
            end_line(&mut out, &answered.carried)?;
        }
        Ok(Encoded::Bytes(out))
    }
}

/// What stands behind the record's own fields: what is carried, and the end of the line.
pub(in crate::archive) fn end_line(out: &mut Vec<u8>, carried: &Carried<'_>) -> io::Result<()> {
    for (name, cell) in carried {
        if OWN_IN_JSON.contains(&name.as_ref()) {
            continue;
        }
        out.push(b',');
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        out.extend(cell.json().as_bytes());
    }
    out.extend(b"}\n");
    Ok(())
}
