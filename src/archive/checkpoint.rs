//! How far a run has come, beside its output, so that it can be gone on with after any end.
//!
//! Owns the checkpoint file. It is replaced as a whole and only after what it speaks of is on the disk.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ArchiveError;
use super::block::Position;
use super::tally::Tally;

/// Changes when an older checkpoint could not be understood.
const FORM: u32 = 2;

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    form: u32,
    /// What must be the same to go on, named as a person knows it.
    pub(super) identity: Vec<(String, String)>,
    /// Where reading goes on.
    pub(super) position: Position,
    /// Bytes of the unfinished output that hold what was read before.
    pub(super) part: u64,
    /// The same of what was set aside.
    pub(super) rejected: u64,
    /// What was counted.
    pub(super) tally: Tally,
    /// The output is whole, but so many of its articles wait for prices; this run writes it again with them.
    pub(super) fills: Option<u64>,
    /// Everything is written; `assembled` tells whether the output was made from a spool.
    pub(super) done: Option<Done>,
}

/// A run that has only to put its files in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) assembled: bool,
}

impl Checkpoint {
    pub(super) fn new(identity: Vec<(String, String)>, tally: Tally) -> Self {
        let position = Position::default();
        Self { form: FORM, identity, position, part: 0, rejected: 0, tally, fills: None, done: None }
    }

    /// One of a run that has not begun, and that fills what this one left pending.
    pub(super) fn filling(&self) -> Self {
        let new = Self::new(self.identity.clone(), self.tally.emptied());
        Self { fills: Some(self.tally.pending), ..new }
    }

    /// Reads the checkpoint at `path`; `None`: there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, ArchiveError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(ArchiveError::Read { path: path.display().to_string(), source });
            }
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(checkpoint) if checkpoint.form == FORM => Ok(Some(checkpoint)),
            _ => Err(ArchiveError::Refused(format!(
                "cannot understand {}, which another version wrote; start anew without --resume",
                path.display()
            ))),
        }
    }

    /// Writes it to `path`, whole or not at all.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        std::fs::rename(&new, path)
    }

    /// Whether a run with `identity` may go on from here.
    pub(super) fn check(&self, identity: &[(String, String)]) -> Result<(), ArchiveError> {
        let other = |name: &str| identity.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        for (name, was) in &self.identity {
            let is = other(name).map_or("not given", String::as_str);
            if is != was {
                let told = if name == INPUTS {
                    "the input files are not what they were".to_owned()
                } else {
                    format!("{name} was `{was}` and is `{is}`")
                };
                return Err(ArchiveError::Refused(format!(
                    "cannot go on with the run: {told}; start anew without --resume"
                )));
            }
        }
        Ok(())
    }
}

/// The name under which the stamp of the inputs is kept.
pub(super) const INPUTS: &str = "inputs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_other_options_is_refused_by_name() {
        let identity = |inputs: &str, catalog: &str| {
            vec![(INPUTS.to_owned(), inputs.to_owned()), ("the catalog".to_owned(), catalog.to_owned())]
        };
        let checkpoint = Checkpoint::new(identity("abc", "1"), Tally::default());
        assert!(checkpoint.check(&identity("abc", "1")).is_ok());
        let told = |inputs, catalog| checkpoint.check(&identity(inputs, catalog)).unwrap_err().to_string();
        assert!(told("abd", "1").contains("the input files are not what they were"));
        assert!(told("abc", "2").contains("the catalog was `1` and is `2`"));
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        assert_eq!(Checkpoint::load(&path).unwrap(), None);
        let mut checkpoint = Checkpoint::new(vec![("a".into(), "b".into())], Tally::new(true));
        checkpoint.position = Position { input: 1, offset: 2, line: 3 };
        checkpoint.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap(), Some(checkpoint));
        std::fs::write(&path, "{").unwrap();
        assert!(Checkpoint::load(&path).unwrap_err().to_string().contains("without --resume"));
    }
}
