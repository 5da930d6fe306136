//! What is to be done to one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use crate::Refused;
use crate::anchor::NoAnchor;

/// Adds a row to a text, or tells beside what it would have to stand.
type Edit = dyn Fn(&str) -> Result<String, NoAnchor>;

/// A file to create, or a row to add to one.
pub struct Step {
    /// The file, from the checkout's root.
    pub path: String,
    /// What it is, for people.
    pub what: &'static str,
    change: Change,
}

enum Change {
    Create(Vec<u8>),
    Edit(Box<Edit>),
}

impl Step {
    pub(crate) fn create(path: impl Into<String>, what: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), what, change: Change::Create(content.into()) }
    }

    pub(crate) fn edit(
        path: &str,
        what: &'static str,
        edit: impl Fn(&str) -> Result<String, NoAnchor> + 'static,
    ) -> Self {
        Self { path: path.to_owned(), what, change: Change::Edit(Box::new(edit)) }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// The files that steps come to, by path from the checkout's root. Nothing is written.
///
/// # Errors
/// [`Refused::NoAnchor`] with every row that has no place, [`Refused::Exists`] for a file that is there, [`Refused::File`].
pub fn applied<'a>(
    root: &Path,
    steps: impl IntoIterator<Item = &'a Step>,
) -> Result<BTreeMap<String, Vec<u8>>, Refused> {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut files = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for Step { path, what, change } in steps {
        match change {
            Change::Create(content) => {
                if root.join(path).exists() {
                    return Err(Refused::Exists { name: path.clone(), place: "the checkout".to_owned() });
                }
                files.insert(path.clone(), content.clone());
            }
            Change::Edit(edit) => {
                let text = match texts.get(path.as_str()) {
                    Some(text) => text.clone(),
                    None => std::fs::read_to_string(root.join(path))
                        .map_err(|source| Refused::File { path: path.clone(), source })?,
                };
                match edit(&text) {
                    Ok(text) => drop(texts.insert(path, text)),
                    Err(NoAnchor(anchor)) => {
                        missing.insert(format!(
                            "{path}: {what}: it would stand beside {anchor}, which is not there"
                        ));
                    }
                }
            }
        }
    }
    if !missing.is_empty() {
        return Err(Refused::NoAnchor(missing.into_iter().collect()));
    }
    files.extend(texts.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())));
    Ok(files)
}

/// Writes files into a checkout.
///
/// # Errors
/// [`Refused::File`].
pub fn write(root: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Refused> {
    for (path, content) in files {
        let place = root.join(path);
        let folder = place.parent().map_or(Ok(()), std::fs::create_dir_all);
        folder
            .and_then(|()| std::fs::write(&place, content))
            .map_err(|source| Refused::File { path: path.clone(), source })?;
    }
    Ok(())
}
