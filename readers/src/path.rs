//! Paths with ids in them.

/// What stands in the places of a template's ids, `/calls/{provider}/{call_id}`, as it is written there; `None` where the path is another one.
pub fn ids<'a>(template: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut places, mut parts) = (template.split('/'), path.split('/'));
    let mut ids = Vec::new();
    loop {
        match (places.next(), parts.next()) {
            (None, None) => return Some(ids),
            (Some(place), Some(part)) if place.starts_with('{') && !part.is_empty() => ids.push(part),
            (Some(place), Some(part)) if place == part => {}
            _ => return None,
        }
    }
}
