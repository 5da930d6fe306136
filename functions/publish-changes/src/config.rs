//! The function's settings beside those of the stores.

use runtime::config::{ConfigError, Environment, endpoint};
use shared::events::EventSettings;

/// Where events go, and which.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// `EVENT_BUS_NAME`: the bus, by name or ARN.
    pub bus_name: String,
    /// `EVENTBRIDGE_ENDPOINT`: another endpoint than AWS's.
    pub endpoint: Option<String>,
    /// `EVENT_TYPES`, `EVENT_NUMBERS`, `EVENT_MAX_AGE_HOURS`: how changes become events.
    pub events: EventSettings,
}

impl PublishConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let max_age_hours =
            environment.number("EVENT_MAX_AGE_HOURS", EventSettings::MAX_AGE_HOURS, 0..=876_000)?;
        Ok(Self {
            bus_name: environment.required("EVENT_BUS_NAME")?,
            endpoint: endpoint(environment, "EVENTBRIDGE_ENDPOINT")?,
            events: EventSettings {
                types: environment.parse("EVENT_TYPES", Default::default(), |text| {
                    text.parse().map_err(|error: shared::events::EventTypesError| error.to_string())
                })?,
                numbers: environment.parse("EVENT_NUMBERS", false, |text| match text {
                    "masked" => Ok(false),
                    "full" => Ok(true),
                    other => Err(format!("neither `masked` nor `full`: {other}")),
                })?,
                max_age_s: Some(i64::from(max_age_hours) * 3_600),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::events::EventType;

    fn read(settings: &[(&str, &str)]) -> Result<PublishConfig, String> {
        let look_up = |name: &str| match name {
            "EVENT_BUS_NAME" => Some("callvault".to_owned()),
            name => settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        };
        PublishConfig::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
    }

    #[test]
    fn by_default_numbers_are_masked_and_every_change_of_a_fact_is_not_told() {
        let PublishConfig { endpoint, events, .. } = read(&[]).unwrap();
        assert_eq!(events, EventSettings::default());
        assert_eq!(endpoint, None);
        assert!(!events.numbers && !events.types.contains(EventType::CallUpdated));
        assert!(events.types.contains(EventType::CallCompleted));
        let all = read(&[("EVENT_TYPES", "all"), ("EVENT_NUMBERS", "full")]).unwrap().events;
        assert!(all.numbers && EventType::ALL.into_iter().all(|known| all.types.contains(known)));
        let one = read(&[("EVENT_TYPES", "call.intent, call.erased")]).unwrap().events;
        assert!(one.types.contains(EventType::CallErased) && !one.types.contains(EventType::CallCompleted));
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable() {
        for (variable, value) in [
            ("EVENT_TYPES", "call.complete"),
            ("EVENT_NUMBERS", "yes"),
            ("EVENT_MAX_AGE_HOURS", "a day"),
            ("EVENTBRIDGE_ENDPOINT", "events.amazonaws.com"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(error.starts_with(variable), "{error}");
        }
        let error = read(&[("EVENT_TYPES", "call.complete")]).unwrap_err();
        assert!(error.contains("`call.complete`"), "{error}");
        for known in EventType::ALL {
            assert!(error.contains(known.as_str()), "what there is instead: {error}");
        }
    }
}
