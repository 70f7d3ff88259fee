//! The files of a run: the unfinished output, what was set aside, and how both come under their names.
//!
//! Owns their names and lengths. An output appears under its name only when it is whole.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ArchiveError;
use super::checkpoint::{Checkpoint, Done};
use super::output::Gather;

/// Where the output goes.
pub enum Destination<'w> {
    /// A file.
    File(PathBuf),
    /// Somewhere that cannot be gone on with; what is set aside is not kept.
    Stream(Box<dyn Write + 'w>),
}

/// The file that holds the bytes of records set aside by a run that writes `output`.
pub fn rejected_path(output: &Path) -> PathBuf {
    beside(output, ".rejected")
}

/// Every file that a run which writes `output` has beside it at some time, and `output`.
pub fn files_of_run(output: &Path) -> Vec<PathBuf> {
    let own = ["", ".part", ".whole", ".checkpoint", ".checkpoint.new", ".rejected", ".rejected.part"];
    own.iter().map(|extension| beside(output, extension)).collect()
}

/// Whether a run that was writing `output` was stopped and can be gone on with.
pub fn is_unfinished(output: &Path) -> bool {
    Files::checkpoint_path(output).exists()
}

fn beside(output: &Path, extension: &str) -> PathBuf {
    let mut path = output.as_os_str().to_owned();
    path.push(extension);
    PathBuf::from(path)
}

/// How often, and how long in between, a file that another process holds is tried again.
const LOCK_TRIES: u32 = 50;
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// The files of one run.
pub(super) struct Files {
    output: PathBuf,
    part: Appended,
    rejected: Appended,
}

/// A file that grows.
struct Appended {
    path: PathBuf,
    file: Option<File>,
    length: u64,
}

impl Files {
    pub(super) fn checkpoint_path(output: &Path) -> PathBuf {
        beside(output, ".checkpoint")
    }

    /// Empty files, for the run that `checkpoint` begins.
    pub(super) fn start(output: &Path, checkpoint: &Checkpoint) -> Result<Self, ArchiveError> {
        let mut files = Self::new(output);
        // Until the first checkpoint nothing may speak of an earlier run, but of one whose output this one fills.
        if checkpoint.fills.is_none() {
            remove(&Self::checkpoint_path(output))?;
        }
        remove(&files.rejected.path)?;
        files.part.open(0)?;
        Ok(files)
    }

    /// The files as they were at `checkpoint`.
    pub(super) fn resume(output: &Path, checkpoint: &Checkpoint) -> Result<Self, ArchiveError> {
        let mut files = Self::new(output);
        files.part.open(checkpoint.part)?;
        if checkpoint.rejected > 0 {
            files.rejected.open(checkpoint.rejected)?;
        } else {
            remove(&files.rejected.path)?;
        }
        Ok(files)
    }

    fn new(output: &Path) -> Self {
        let appended = |extension| Appended { path: beside(output, extension), file: None, length: 0 };
        Self { output: output.to_owned(), part: appended(".part"), rejected: appended(".rejected.part") }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.part.write(bytes)
    }

    /// `head` stands before the first bytes.
    pub(super) fn reject(&mut self, head: &[u8], bytes: &[u8]) -> Result<(), ArchiveError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.rejected.file.is_none() {
            self.rejected.open(0)?;
            self.rejected.write(head)?;
        }
        self.rejected.write(bytes)
    }

    /// Puts everything on the disk and then `checkpoint`, which from there on speaks of it.
    pub(super) fn checkpoint(&self, checkpoint: &mut Checkpoint) -> Result<(), ArchiveError> {
        for appended in [&self.part, &self.rejected] {
            if let Some(file) = &appended.file {
                file.sync_data().map_err(ArchiveError::write(&appended.path))?;
            }
        }
        checkpoint.part = self.part.length;
        checkpoint.rejected = self.rejected.length;
        let path = Self::checkpoint_path(&self.output);
        checkpoint.save(&path).map_err(ArchiveError::write(&path))
    }

    /// Makes the output and brings everything under its name. One that would lack more prices than what is there
    /// does not take its place.
    pub(super) fn finish(
        mut self,
        gather: &dyn Gather,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), ArchiveError> {
        let lacks_more = |before: &u64| checkpoint.tally.pending > *before && self.output.exists();
        if let Some(before) = checkpoint.fills.filter(lacks_more) {
            let now = checkpoint.tally.pending;
            let path = Self::checkpoint_path(&self.output);
            checkpoint.tally.pending = before;
            checkpoint.filling().save(&path).map_err(ArchiveError::write(&path))?;
            remove(&self.part.path)?;
            remove(&self.rejected.path)?;
            return Err(ArchiveError::Refused(format!(
                "{} is left as it was: {before} of its articles wait for prices, and {now} would; is --state-dir, which \
                 keeps past prices, another one or in use?",
                self.output.display()
            )));
        }
        let whole_path = beside(&self.output, ".whole");
        let assembled = match &mut self.part.file {
            Some(part) => {
                part.seek(SeekFrom::Start(0)).map_err(ArchiveError::write(&self.part.path))?;
                let mut whole = Lazy { path: whole_path.clone(), file: None };
                let assembled = gather.assemble(part, &mut whole);
                let assembled = assembled.map_err(ArchiveError::write(&whole_path))?;
                if let Some(whole) = &whole.file {
                    whole.sync_data().map_err(ArchiveError::write(&whole_path))?;
                }
                assembled
            }
            None => false,
        };
        checkpoint.done = Some(Done { assembled });
        self.checkpoint(checkpoint)?;
        put_in_place(&self.output, checkpoint, Done { assembled })
    }
}

/// Brings the files of a run that is done under their names; what is there already is left.
pub(super) fn put_in_place(output: &Path, checkpoint: &Checkpoint, done: Done) -> Result<(), ArchiveError> {
    let part = beside(output, ".part");
    let made = if done.assembled { beside(output, ".whole") } else { part.clone() };
    rename(&made, output)?;
    if !output.exists() {
        return Err(ArchiveError::Refused(format!(
            "{} is gone, though the run was done; start anew without --resume",
            output.display()
        )));
    }
    if done.assembled {
        remove(&part)?;
    }
    let rejected = rejected_path(output);
    if checkpoint.rejected > 0 {
        rename(&beside(output, ".rejected.part"), &rejected)?;
    } else {
        // One of an earlier run would be taken for this one's.
        remove(&rejected)?;
    }
    let path = Files::checkpoint_path(output);
    if checkpoint.tally.pending > 0 {
        return checkpoint.filling().save(&path).map_err(ArchiveError::write(&path));
    }
    remove(&path)
}

fn rename(from: &Path, to: &Path) -> Result<(), ArchiveError> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ArchiveError::write(to)(error)),
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> Result<(), ArchiveError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ArchiveError::write(path)(error)),
        _ => Ok(()),
    }
}

impl Appended {
    /// Opens the file and cuts it to `length`, which it must have.
    fn open(&mut self, length: u64) -> Result<(), ArchiveError> {
        let failed = ArchiveError::write(&self.path);
        let mut options = File::options();
        options.read(true).write(true).create(length == 0).truncate(false);
        let mut file = options.open(&self.path).map_err(failed)?;
        match lock(&file) {
            Err(TryLockError::WouldBlock) => {
                return Err(ArchiveError::Refused(format!(
                    "another run is writing {}; choose another --output",
                    self.path.display()
                )));
            }
            // Not every file system can lock.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let failed = ArchiveError::write(&self.path);
        let there = file.metadata().map(|metadata| metadata.len());
        if there.is_ok_and(|there| there < length) {
            return Err(ArchiveError::Refused(format!(
                "{} is shorter than it was; start anew without --resume",
                self.path.display()
            )));
        }
        file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        (self.file, self.length) = (Some(file), length);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(ArchiveError::write(&self.path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Takes the file for this run. One that was just ended, or a child of ours that is about to start another
/// program, may hold it for a moment longer.
fn lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
            taken => return taken,
        }
    }
    file.try_lock()
}

/// A file made with its first byte.
struct Lazy {
    path: PathBuf,
    file: Option<File>,
}

impl Write for Lazy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => self.file.insert(File::create(&self.path)?).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}
