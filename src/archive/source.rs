//! What is to be read: files, folders, patterns and standard input, in a fixed order.
//!
//! Owns finding the files and opening them. Never looks at what is in them, but for the mark of a compression.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ArchiveError;
use super::compress::{is_packed, stem, unpack};
use super::input::InputFormat;

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, a folder (every file below it, by name) or a pattern such as `news/**/*.html`.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

/// Everything to be read.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// In this order.
    pub list: Vec<Input>,
    /// Format of all of them; `None`: by extension.
    pub format: Option<InputFormat>,
    /// Files that are never read though they lie in a folder: those being written.
    pub except: Vec<PathBuf>,
}

/// One file to read, or standard input.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// `None`: standard input.
    pub(super) path: Option<PathBuf>,
    pub(super) name: Arc<str>,
    pub(super) format: InputFormat,
}

/// A file that cannot be taken: its name, and why.
pub(super) type Lost = (String, io::Error);

/// What is to be read, seen from outside.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    /// The first of them; `None`: there is nothing to read.
    pub(super) first: Option<Entry>,
    /// A file that could not be opened, if none before it could.
    lost: Option<String>,
    pub(super) files: u64,
    /// Bytes as they lie on the disk; `None` with standard input.
    pub(super) bytes: Option<u64>,
    /// Files of folders whose extension tells no format.
    pub(super) left_out: u64,
    /// Changes when a file is added, removed, renamed, resized or written.
    pub(super) stamp: String,
}

impl Inputs {
    /// Goes over all inputs once without opening them.
    ///
    /// # Errors
    /// An input does not exist, its format cannot be told, or the formats cannot go together.
    pub(super) fn survey(&self) -> Result<Survey, ArchiveError> {
        self.check()?;
        let mut survey =
            Survey { first: None, lost: None, files: 0, bytes: Some(0), left_out: 0, stamp: String::new() };
        let mut stamp = blake3::Hasher::new();
        for entry in self.walk() {
            let entry = match entry {
                Ok(Found::Entry(entry)) => entry,
                Ok(Found::LeftOut) => {
                    survey.left_out += 1;
                    continue;
                }
                Err((name, _)) => {
                    stamp.update(name.as_bytes());
                    continue;
                }
            };
            match &entry.path {
                None => survey.bytes = None,
                Some(path) => {
                    let (length, written) = std::fs::metadata(path)
                        .map_or((0, None), |metadata| (metadata.len(), metadata.modified().ok()));
                    survey.bytes = survey.bytes.map(|bytes| bytes + length);
                    stamp.update(format!("{}\0{length}\0{written:?}\0", entry.name).as_bytes());
                }
            }
            match &survey.first {
                Some(first) if !first.format.goes_with(entry.format) => {
                    return Err(ArchiveError::Refused(format!(
                        "`{}` is {}, but `{}` is {}; tag them in two runs",
                        first.name,
                        first.format.word(),
                        entry.name,
                        entry.format.word()
                    )));
                }
                Some(_) => {}
                // What cannot be opened tells no columns; it is set aside when the reading comes to it.
                None if entry.path.as_ref().is_some_and(|path| File::open(path).is_err()) => {
                    survey.lost.get_or_insert_with(|| entry.name.to_string());
                }
                None => survey.first = Some(entry),
            }
            survey.files += 1;
        }
        if let (None, Some(lost)) = (&survey.first, survey.lost.take()) {
            let source =
                File::open(&lost).err().unwrap_or_else(|| io::Error::other("it was not there before"));
            return Err(ArchiveError::Read { path: lost, source });
        }
        survey.stamp = stamp.finalize().to_hex()[..32].to_owned();
        Ok(survey)
    }

    fn check(&self) -> Result<(), ArchiveError> {
        let refused = |text: String| Err(ArchiveError::Refused(text));
        if self.list.iter().filter(|input| **input == Input::Stdin).count() > 1 {
            return refused("standard input is given twice".to_owned());
        }
        for input in &self.list {
            let Input::Path(path) = input else { continue };
            let shown = path.display();
            if path.is_file() && self.format_of(path).is_none() {
                return refused(format!(
                    "cannot tell the format of `{shown}` by its extension; \
                     give --input-format jsonl, csv, parquet, html or text"
                ));
            }
            if path.exists() {
                continue;
            }
            let pattern = path.to_string_lossy();
            match is_pattern(&pattern).then(|| glob::glob(&pattern).map(|mut paths| paths.next())) {
                Some(Ok(Some(_))) => {}
                Some(Ok(None)) => return refused(format!("no file matches `{shown}`")),
                Some(Err(error)) => return refused(format!("`{shown}` is no pattern: {}", error.msg)),
                None => return refused(format!("no file `{shown}`; to tag it as words, add --text")),
            }
        }
        Ok(())
    }

    fn format_of(&self, path: &Path) -> Option<InputFormat> {
        let name = path.file_name()?.to_str()?;
        self.format.or_else(|| InputFormat::of_extension(stem(name).rsplit_once('.')?.1))
    }

    /// Every file in order; folders are read as the walk comes to them.
    pub(super) fn walk(&self) -> Box<dyn Iterator<Item = Result<Found, Lost>> + Send + 'static> {
        let inputs = self.clone();
        let list = self.list.clone();
        Box::new(list.into_iter().flat_map(move |input| inputs.entries(&input)))
    }

    fn entries(&self, input: &Input) -> Box<dyn Iterator<Item = Result<Found, Lost>> + Send> {
        let path = match input {
            Input::Stdin => {
                let format = self.format.unwrap_or(InputFormat::JsonLines);
                let entry = Entry { path: None, name: "stdin".into(), format };
                return Box::new(std::iter::once(Ok(Found::Entry(entry))));
            }
            Input::Path(path) => path,
        };
        let pattern = path.to_string_lossy().into_owned();
        if path.exists() || !is_pattern(&pattern) {
            return self.below(path.clone());
        }
        let inputs = self.clone();
        let paths = glob::glob(&pattern).into_iter().flatten();
        Box::new(paths.flat_map(move |path| match path {
            Ok(path) => inputs.below(path),
            Err(error) => {
                let name = error.path().display().to_string();
                Box::new(std::iter::once(Err((name, io::Error::from(error)))))
            }
        }))
    }

    /// A file itself, or every file below a folder in the order of their names.
    fn below(&self, path: PathBuf) -> Box<dyn Iterator<Item = Result<Found, Lost>> + Send> {
        let inputs = self.clone();
        let walk = walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name();
        Box::new(walk.into_iter().filter_map(move |found| match found {
            Ok(found) if found.file_type().is_dir() => None,
            Ok(found) => {
                let path = found.into_path();
                if inputs.except.contains(&path) {
                    return None;
                }
                let Some(format) = inputs.format_of(&path) else { return Some(Ok(Found::LeftOut)) };
                let name = path.display().to_string().into();
                Some(Ok(Found::Entry(Entry { path: Some(path), name, format })))
            }
            Err(error) => {
                let name = error.path().map_or_else(String::new, |path| path.display().to_string());
                let error = error
                    .into_io_error()
                    .unwrap_or_else(|| io::Error::other("a link that leads in a circle"));
                Some(Err((name, error)))
            }
        }))
    }
}

/// What a walk comes across.
#[derive(Debug)]
pub(super) enum Found {
    /// A file to read.
    Entry(Entry),
    /// A file of a folder whose extension tells no format.
    LeftOut,
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

impl Entry {
    /// Its text, decompressed. `read` counts the bytes as they lie on the disk.
    pub(super) fn open(&self, read: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        match &self.path {
            None => unpack(Box::new(BufReader::new(io::stdin()))),
            Some(path) => {
                let file = Counted { file: File::open(path)?, read };
                unpack(Box::new(BufReader::with_capacity(1 << 16, file)))
            }
        }
    }

    /// Its text from byte `offset` on: sought where it lies plain on the disk, else read and passed over.
    pub(super) fn open_at(&self, offset: u64, read: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        let shorter = || io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than it was");
        if offset > 0
            && let Some(path) = &self.path
        {
            let mut file = File::open(path)?;
            let mut head = Vec::new();
            file.by_ref().take(4).read_to_end(&mut head)?;
            if !is_packed(&head) {
                if file.metadata()?.len() < offset {
                    return Err(shorter());
                }
                file.seek(SeekFrom::Start(offset))?;
                read.fetch_add(offset, Ordering::Relaxed);
                return Ok(Box::new(Counted { file, read }));
            }
        }
        let mut source = self.open(read)?;
        let passed = io::copy(&mut source.by_ref().take(offset), &mut io::sink())?;
        if passed == offset { Ok(source) } else { Err(shorter()) }
    }
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_are_read_by_name_and_unknown_files_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.html", "b/1.txt", "a.htm.gz", "notes.doc", "out.html"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let names = |inputs: &Inputs| -> Vec<String> {
            let found = inputs.walk().filter_map(|found| match found.unwrap() {
                Found::Entry(entry) => Some(entry.name.rsplit_once('/').unwrap().1.to_owned()),
                Found::LeftOut => None,
            });
            found.collect()
        };
        let mut inputs = Inputs {
            list: vec![Input::Path(folder.path().into())],
            format: None,
            except: vec![folder.path().join("out.html")],
        };
        assert_eq!(names(&inputs), ["a.htm.gz", "1.txt", "2.html"]);
        let survey = inputs.survey().unwrap();
        assert_eq!((survey.files, survey.bytes, survey.left_out), (3, Some(23), 1));
        std::fs::write(folder.path().join("b/1.txt"), "longer than before").unwrap();
        assert_ne!(inputs.survey().unwrap().stamp, survey.stamp);
        inputs.list = vec![Input::Path(folder.path().join("**/*.html"))];
        assert_eq!(names(&inputs), ["2.html"]);
        inputs.list = vec![Input::Path(folder.path().join("*.nothing"))];
        assert!(inputs.survey().unwrap_err().to_string().starts_with("no file matches"));
    }
}
