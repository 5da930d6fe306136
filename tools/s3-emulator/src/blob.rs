//! Files of bytes that nobody sees until the index names them.
//!
//! A blob is written under a random name and never changed. It is part of an object from the moment a committed row of the
//! index holds its name, and garbage before and after: dropped at once in the usual case, at the next start where the
//! process was killed in between. So neither a crash nor a failed upload can leave half an object behind.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A directory of blobs.
#[derive(Debug)]
pub(super) struct Blobs {
    directory: PathBuf,
    durable: bool,
}

impl Blobs {
    /// Opens the directory, making it first if need be. `durable`: what is kept is on the disk, not only in its cache.
    pub(super) fn open(directory: PathBuf, durable: bool) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, durable })
    }

    /// Creates an empty blob.
    pub(super) fn stage(&self) -> io::Result<(StagedBlob, File)> {
        let staged = self.name_one();
        let file = File::options().write(true).create_new(true).open(&staged.path)?;
        Ok((staged, file))
    }

    /// Gives a second name to a blob's bytes.
    pub(super) fn duplicate(&self, name: &str) -> io::Result<StagedBlob> {
        let staged = self.name_one();
        let source = self.directory.join(name);
        // Not every file system has hard links.
        match fs::hard_link(&source, &staged.path) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                fs::copy(&source, &staged.path)?;
            }
            result => result?,
        }
        Ok(staged)
    }

    fn name_one(&self) -> StagedBlob {
        let name = random_id();
        StagedBlob { path: self.directory.join(&name), name, kept: false }
    }

    /// Opens a blob for reading. What was opened can be read to its end even if it is removed meanwhile.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.directory.join(name))
    }

    /// Makes sure that the bytes are as durable as these blobs promise; to be called before the index names the blob.
    pub(super) fn settle(&self, staged: &StagedBlob) -> io::Result<()> {
        if self.durable {
            File::open(&staged.path)?.sync_all()?;
            // Its name is the directory's.
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }

    /// Removes blobs that the index no longer names.
    pub(super) fn remove(&self, names: &[String]) {
        for name in names {
            remove_file(&self.directory.join(name));
        }
    }

    /// Removes every blob that is not `named`: what a killed process left.
    pub(super) fn sweep(&self, named: &HashSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| named.contains(name)) {
                remove_file(&entry.path());
            }
        }
        Ok(())
    }
}

/// A blob that the index does not name yet. Dropping it removes it.
#[derive(Debug)]
pub(super) struct StagedBlob {
    name: String,
    path: PathBuf,
    kept: bool,
}

impl StagedBlob {
    /// Returns the name that the index is to hold.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the blob to the index, which names it from now on.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for StagedBlob {
    fn drop(&mut self) {
        if !self.kept {
            remove_file(&self.path);
        }
    }
}

/// A file that can't be removed costs space, nothing else: the next start tries again.
fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "a file of the local S3 is not removed");
    }
}

/// Returns 128 random bits in hex: the name of a blob, of a version, of an upload.
pub(super) fn random_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}
