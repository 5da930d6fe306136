//! Ids in paths of URLs: each byte outside `A-Za-z0-9_-` is written `~XX`, `10000161~5E1000018` for `10000161^1000018`.
//!
//! Percent-encoding does not do. API Gateway decodes `%2F` before it routes, and cuts a path at a decoded `?`; an id that is `.` or
//! `..` would be resolved away. No gateway touches `~`. What is written here has neither dots, slashes nor percent signs, so that it
//! stays one segment wherever it goes.

/// An id as one segment of a path. Every id has one form, and no two have the same.
pub fn escaped(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        match is_plain(byte) {
            true => segment.push(char::from(byte)),
            false => segment.push_str(&format!("~{byte:02X}")),
        }
    }
    segment
}

/// The id that a segment of a path stands for; `None` where it stands for none. It takes small letters in an escape too (`~5e`), and
/// escapes of what needs none.
pub fn unescaped(segment: &str) -> Option<String> {
    let mut id = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match *first {
            b'~' => {
                let (digits, after) = after.split_at_checked(2)?;
                id.extend(hex::decode(digits).ok()?);
                after
            }
            byte if is_plain(byte) => {
                id.push(byte);
                after
            }
            _ => return None,
        };
    }
    String::from_utf8(id).ok()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_gateway_would_decode_or_cut_is_escaped() {
        for (id, segment) in [
            ("10000161^1000018", "10000161~5E1000018"),
            ("a/b?c#d%2Fe", "a~2Fb~3Fc~23d~252Fe"),
            ("..", "~2E~2E"),
            ("~", "~7E"),
            ("一", "~E4~B8~80"),
            ("A-z_9", "A-z_9"),
            ("", ""),
        ] {
            assert_eq!(escaped(id), segment);
            assert_eq!(unescaped(segment).as_deref(), Some(id));
        }
        assert_eq!(unescaped("~5e~41").as_deref(), Some("^A"));
    }

    #[test]
    fn what_stands_for_no_id_is_told_apart() {
        for segment in ["a^b", "~", "~5", "~5G", "~+5", "a b", "%5E", "~FF", "~E4~B8", "一", "a.b", "~C0~80"]
        {
            assert_eq!(unescaped(segment), None, "{segment}");
        }
    }

    proptest! {
        #[test]
        fn every_id_comes_back_and_its_segment_is_of_few_characters(id: String) {
            let segment = escaped(&id);
            prop_assert!(segment.bytes().all(|byte| is_plain(byte) || byte == b'~'));
            prop_assert_eq!(unescaped(&segment), Some(id));
        }

        #[test]
        fn no_two_segments_of_the_usual_form_stand_for_one_id(segment in "([A-Za-z0-9_-]|~[0-9A-F]{2}){0,20}") {
            if let Some(id) = unescaped(&segment) {
                prop_assert_eq!(unescaped(&escaped(&id)), Some(id));
            }
        }

        #[test]
        fn no_segment_is_too_strange(segment in "\\PC{0,20}|[~0-9A-Fa-f]{0,20}") {
            let _ = unescaped(&segment);
        }
    }
}
