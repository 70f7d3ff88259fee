//! An earlier run over the same input, and what its catalog lacked.
//!
//! Owns what `--previous` asks for. Never reads the output of that run.

use std::path::PathBuf;

use super::options::{QuotesArg, TagArgs};
use crate::archive::ArchiveError;
use crate::catalog::Catalog;
use crate::mention::Changes;

/// What `--previous` names.
pub(super) struct Before {
    /// The output of the earlier run.
    pub(super) output: PathBuf,
    /// Version of its catalog.
    pub(super) catalog: String,
    /// What has changed since.
    pub(super) changes: Changes,
}

impl Before {
    /// `None`: there is no earlier run.
    pub(super) fn new(
        args: &TagArgs,
        quotes: QuotesArg,
        catalog: &Catalog,
    ) -> Result<Option<Self>, ArchiveError> {
        let (Some(output), Some(path)) = (&args.previous, &args.previous_catalog) else { return Ok(None) };
        let refused = |text: &str| Err(ArchiveError::Refused(text.to_owned()));
        if quotes != QuotesArg::None {
            return refused("prices are not kept from an earlier run; with --previous give --quotes none");
        }
        if args.output.as_ref() == Some(output) {
            return refused("--previous is read while --output is written; give another --output");
        }
        let name = output.to_string_lossy();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        if !(name.ends_with(".jsonl") || name.ends_with(".ndjson")) {
            return refused(
                "--previous is read as JSON Lines only; give a file that ends in .jsonl, .jsonl.gz or .jsonl.zst",
            );
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| ArchiveError::Read { path: path.display().to_string(), source })?;
        let before = Catalog::parse(&text)
            .map_err(|error| ArchiveError::Refused(format!("{}: {error}", path.display())))?;
        let changes = Changes::between(&before, catalog);
        Ok(Some(Self { output: output.clone(), catalog: before.version().to_owned(), changes }))
    }
}
