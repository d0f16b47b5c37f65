//! Files, folders and standard input, line by line and within bounds.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read as _, stdin},
    path::{Path, PathBuf},
};

use super::joined::Merge;
use crate::explored::printable;

/// A result with a hundred violations has a tenth of it.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Of all inputs together: more than all logs of the largest Job.
const BYTES_MAX: u64 = 1 << 30;
/// Files of a folder.
const FILES_MAX: usize = 100_000;
/// Characters of a line or a name that are shown.
const SHOWN_MAX: usize = 100;

/// Lines that are no results.
#[derive(Default)]
pub(super) struct Other {
    pub(super) lines: u64,
    pub(super) first: Option<String>,
}

/// Reads all `paths` into `merge`; returns what else was in them.
pub(super) fn read(paths: &[PathBuf], merge: &mut Merge) -> Other {
    let mut reader = Reader { merge, other: Other::default(), left: BYTES_MAX };
    for path in paths {
        reader.path(path);
    }
    reader.other
}

struct Reader<'a> {
    merge: &'a mut Merge,
    other: Other,
    /// Bytes that may still be read.
    left: u64,
}

impl Reader<'_> {
    fn path(&mut self, path: &Path) {
        let piped = path == Path::new("-");
        let name = if piped { "standard input".to_owned() } else { printable(&path.display().to_string()) };
        let read = if piped {
            self.lines(&name, stdin().lock())
        } else if path.is_dir() {
            self.folder(path)
        } else {
            File::open(path).and_then(|file| self.lines(&name, BufReader::new(file)))
        };
        if let Err(error) = read {
            self.merge.problems.add(&format!("{name}: {error}"));
        }
    }

    /// Every file in the folder, in the order of their names.
    fn folder(&mut self, path: &Path) -> io::Result<()> {
        let entries = fs::read_dir(path)?.take(FILES_MAX + 1).collect::<io::Result<Vec<_>>>()?;
        if entries.len() > FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
        let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).filter(|path| path.is_file()).collect();
        files.sort_unstable();
        files.iter().for_each(|file| self.path(file));
        Ok(())
    }

    fn lines(&mut self, name: &str, mut input: impl BufRead) -> io::Result<()> {
        let (mut number, mut line) = (0_u64, Vec::new());
        loop {
            line.clear();
            let most = LINE_BYTES_MAX.min(self.left) + 1;
            let read = input.by_ref().take(most).read_until(b'\n', &mut line)? as u64;
            if read == 0 {
                break;
            }
            if read > self.left {
                return Err(io::Error::other(format!("not read further, after {BYTES_MAX} bytes in all")));
            }
            self.left -= read;
            number += 1;
            if read > LINE_BYTES_MAX {
                return Err(io::Error::other(format!(
                    "not read further: line {number} is longer than {LINE_BYTES_MAX} bytes"
                )));
            }
            self.line(name, number, line.trim_ascii());
        }
        if number == 0 {
            return Err(io::Error::other("it is empty"));
        }
        Ok(())
    }

    fn line(&mut self, name: &str, number: u64, line: &[u8]) {
        let (pod, text) = pod(line).map_or((None, line), |(pod, text)| (Some(pod), text));
        if text.first() == Some(&b'{') {
            let source = pod.map_or_else(|| format!("{name}:{number}"), shown);
            self.merge.add(source, text);
        } else if !text.is_empty() {
            self.other.lines += 1;
            self.other.first.get_or_insert_with(|| shown(line));
        }
    }
}

/// The pod and the rest of a line of `kubectl logs --prefix`: `[pod/NAME/CONTAINER] REST`.
fn pod(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"[")?;
    rest.starts_with(b"pod/").then_some(())?;
    let end = rest.iter().position(|byte| *byte == b']')?;
    Some((&rest[..end], rest[end + 1..].trim_ascii_start()))
}

fn shown(text: &[u8]) -> String {
    printable(&String::from_utf8_lossy(text).chars().take(SHOWN_MAX).collect::<String>())
}
