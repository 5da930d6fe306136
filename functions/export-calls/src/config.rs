//! The settings.

use std::str::FromStr;

use runtime::config::{ConfigError, Environment};
use shared::reading::Zone;

/// For how many days back the index's counts are compared, unless it is set.
const DEFAULT_DAYS: u32 = 31;

/// How the files are written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `EXPORT_NUMBERS`: whether phone numbers are whole, and what may be full of them is there.
    pub numbers: Numbers,
    /// `EXPORT_ZONE`: the zone of local dates and hours.
    pub zone: Zone,
    /// `EXPORT_DAYS`: for how many days back the index's counts are compared, once a day; 0 for none.
    pub days: u32,
}

/// How phone numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// At least six digits are hidden; in texts each run of four digits and more is blacked out.
    #[default]
    Masked,
    /// As they are.
    Full,
}

impl FromStr for Numbers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "masked" => Ok(Self::Masked),
            "full" => Ok(Self::Full),
            _ => Err("neither masked nor full"),
        }
    }
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let zone = |name: &str| Zone::named(name).ok_or_else(|| format!("not a time zone: {name}"));
        Ok(Self {
            numbers: environment.parse_or("EXPORT_NUMBERS", "masked")?,
            zone: environment.parse("EXPORT_ZONE", Zone::default(), zone)?,
            days: environment.number("EXPORT_DAYS", DEFAULT_DAYS, 0..=3_660)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variable: &str, value: &str) -> Result<Settings, String> {
        let look_up = |name: &str| (name == variable).then(|| value.to_owned());
        Settings::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_set_wrong_is_named() {
        let default = read("", "").unwrap();
        assert_eq!(
            (default.numbers, default.zone.name(), default.days),
            (Numbers::Masked, "Asia/Shanghai", 31)
        );
        assert_eq!(read("EXPORT_NUMBERS", "full").unwrap().numbers, Numbers::Full);
        assert_eq!(read("EXPORT_ZONE", "Asia/Kolkata").unwrap().zone.name(), "Asia/Kolkata");
        for (variable, value) in [("EXPORT_NUMBERS", "yes"), ("EXPORT_ZONE", "China"), ("EXPORT_DAYS", "-1")]
        {
            assert!(read(variable, value).unwrap_err().contains(variable), "{variable}");
        }
    }
}
