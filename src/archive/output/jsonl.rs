//! JSON Lines out: one object a line, the record first, then what is carried through.

use std::io;

use super::columns::{OWN_IN_JSON, quoted};
use super::{Batch, Encoded, Encoder};

/// The format.
pub(super) struct JsonLines;

impl Encoder for JsonLines {
    fn encode(&self, batch: &Batch<'_>) -> io::Result<Encoded> {
        let mut out = Vec::with_capacity(batch.answered.len() * 1024);
        for answered in &batch.answered {
            match &answered.outcome {
                Ok(record) => serde_json::to_writer(&mut out, record)?,
                Err(error) => serde_json::to_writer(&mut out, error)?,
            }
            // Both are objects that are not empty; what is carried goes in before their end.
            out.pop();
            for (name, cell) in &answered.carried {
                if OWN_IN_JSON.contains(&name.as_ref()) {
                    continue;
                }
                out.push(b',');
                out.extend(quoted(name).into_bytes());
                out.push(b':');
                out.extend(cell.json().as_bytes());
            }
            out.extend(b"}\n");
        }
        Ok(Encoded::Bytes(out))
    }
}
