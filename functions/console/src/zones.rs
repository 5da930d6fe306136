//! The time zones that can be chosen, by their cities. Any other is taken in a page's URL.

use crate::words::Language;

/// A zone.
pub(crate) struct NamedZone {
    /// Its name in the tz database.
    pub(crate) id: &'static str,
    english: &'static str,
    chinese: &'static str,
}

impl NamedZone {
    /// What it is called on a page.
    pub(crate) fn name(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Chinese => self.chinese,
        }
    }
}

/// What a zone is called on a page: one that can't be chosen there by its name in the tz database.
pub(crate) fn called(id: &str, language: Language) -> &str {
    ALL.iter().find(|zone| zone.id == id).map_or(id, |zone| zone.name(language))
}

macro_rules! zones {
    ($( $id:literal, $english:literal, $chinese:literal; )*) => {
        /// The zones, the default before all others.
        pub(crate) const ALL: &[NamedZone] = &[$( NamedZone { id: $id, english: $english, chinese: $chinese }, )*];
    };
}

zones! {
    "Asia/Shanghai", "Shanghai", "上海";
    "Asia/Hong_Kong", "Hong Kong", "香港";
    "Asia/Singapore", "Singapore", "新加坡";
    "Asia/Jakarta", "Jakarta", "雅加达";
    "Asia/Manila", "Manila", "马尼拉";
    "Asia/Tokyo", "Tokyo", "东京";
    "Asia/Bangkok", "Bangkok", "曼谷";
    "Asia/Kolkata", "Kolkata", "加尔各答";
    "Asia/Dubai", "Dubai", "迪拜";
    "Europe/London", "London", "伦敦";
    "Europe/Berlin", "Berlin", "柏林";
    "America/New_York", "New York", "纽约";
    "America/Los_Angeles", "Los Angeles", "洛杉矶";
    "America/Mexico_City", "Mexico City", "墨西哥城";
    "America/Sao_Paulo", "São Paulo", "圣保罗";
    "UTC", "UTC", "UTC";
}

#[cfg(test)]
mod tests {
    use shared::reading::Zone;

    use super::*;

    #[test]
    fn each_zone_is_one_and_the_default_stands_first() {
        for zone in ALL {
            assert_eq!(Zone::named(zone.id).map(|zone| zone.name().to_owned()).as_deref(), Some(zone.id));
        }
        assert_eq!(Zone::default().name(), ALL[0].id);
    }
}
