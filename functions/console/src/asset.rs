//! The stylesheet and the script, served by the function itself under names that tell their content: a browser keeps each for ever, and
//! a new one has a new name.

use std::sync::LazyLock;

use readers::Answer;
use sha2::{Digest, Sha256};

/// A file.
pub(crate) struct Asset {
    text: &'static str,
    media_type: &'static str,
    /// Where it is served.
    pub(crate) path: String,
}

pub(crate) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(include_str!("../assets/console.css"), "text/css", "css"));
pub(crate) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(include_str!("../assets/console.js"), "text/javascript", "js"));
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(include_str!("../assets/icon.svg"), "image/svg+xml", "svg"));

impl Asset {
    fn new(text: &'static str, media_type: &'static str, extension: &str) -> Self {
        let digest = hex::encode(&Sha256::digest(text)[..6]);
        Self { text, media_type, path: format!("/assets/{digest}.{extension}") }
    }
}

/// The file at a path.
pub(crate) fn at(path: &str) -> Option<Answer> {
    let asset = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.path == path)?;
    let answer = Answer::of(200, &format!("{}; charset=utf-8", asset.media_type), asset.text.into());
    Some(answer.with("cache-control", "public, max-age=31536000, immutable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_small_and_named_by_their_content() {
        assert!(SCRIPT.text.len() <= 10 * 1024, "{}", SCRIPT.text.len());
        assert!(STYLE.text.len() <= 20 * 1024, "{}", STYLE.text.len());
        for asset in [&STYLE, &SCRIPT, &ICON] {
            assert_eq!(at(&asset.path).unwrap().status_code, 200);
        }
        assert!(at("/assets/0.css").is_none());
        // Another origin is named by no file, but for a namespace.
        for text in [STYLE.text, SCRIPT.text] {
            assert!(!text.contains("http"), "another origin");
        }
    }
}
