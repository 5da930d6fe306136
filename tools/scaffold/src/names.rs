//! A function has one name, in as many forms as there are places.

use crate::Refused;

/// The names of a function and of its platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The platform's, in keys: `ai-voice`.
    pub platform: String,
    /// The push's: `call-record`.
    pub push: String,
    /// The function's, its crate's and its route's: `ai-voice-call-record`.
    pub function: String,
    /// The crate's in Rust, and the fuzz target's file: `ai_voice_call_record`.
    pub krate: String,
    /// The template's resource: `AiVoiceCallRecord`.
    pub resource: String,
    /// The id of its metric in the alarms: `aiVoiceCallRecord`.
    pub metric_id: String,
    /// The parameter of its own tokens: `PushTokenSha256AiVoiceCallRecord`.
    pub token_parameter: String,
    /// The variable of its own tokens: `PUSH_TOKEN_SHA256_AI_VOICE_CALL_RECORD`.
    pub token_variable: String,
    /// The variant of `Provider`: `AiVoice`.
    pub platform_variant: String,
    /// The constant of the platform's row: `AI_VOICE`.
    pub platform_constant: String,
    /// The parameter of the platform's zone: `AiVoiceUtcOffset`.
    pub zone_parameter: String,
    /// The variable of the platform's zone: `AI_VOICE_UTC_OFFSET`.
    pub zone_variable: String,
    /// The platform's name in a text: `Ai-voice`.
    pub platform_title: String,
}

impl Names {
    /// All names of the function that catches a platform's push.
    ///
    /// # Errors
    /// [`Refused::NotKebabCase`]. A word begins with a letter, so that `CamelCase` can be read back.
    pub fn new(platform: &str, push: &str) -> Result<Self, Refused> {
        for name in [platform, push] {
            let is_word = |word: &str| {
                word.starts_with(|first: char| first.is_ascii_lowercase())
                    && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            if !name.split('-').all(is_word) {
                return Err(Refused::NotKebabCase(name.to_owned()));
            }
        }
        let function = format!("{platform}-{push}");
        let resource = camel_case(&function);
        let upper = |name: &str| name.replace('-', "_").to_ascii_uppercase();
        let platform_variant = camel_case(platform);
        Ok(Self {
            krate: function.replace('-', "_"),
            metric_id: format!("{}{}", resource[..1].to_ascii_lowercase(), &resource[1..]),
            token_parameter: format!("PushTokenSha256{resource}"),
            token_variable: format!("PUSH_TOKEN_SHA256_{}", upper(&function)),
            platform_constant: upper(platform),
            zone_parameter: format!("{platform_variant}UtcOffset"),
            zone_variable: format!("{}_UTC_OFFSET", upper(platform)),
            platform_title: format!("{}{}", platform[..1].to_ascii_uppercase(), &platform[1..]),
            platform: platform.to_owned(),
            push: push.to_owned(),
            function,
            resource,
            platform_variant,
        })
    }
}

/// `ai-voice` as `AiVoice`.
fn camel_case(kebab_case: &str) -> String {
    kebab_case.split('-').map(|word| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_some_place_could_not_hold_is_refused() {
        for name in ["", "A", "a_b", "a b", "-a", "a-", "a--b", "a-1", "1a", "é", "a.b", "../a", "a/b"] {
            assert!(Names::new(name, "push").is_err(), "{name:?}");
            assert!(Names::new("platform", name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_names_are_those_that_a_function_has_today() {
        let names = Names::new("ai-voice", "call-record").unwrap();
        let own = [names.function, names.krate, names.resource, names.token_variable, names.zone_variable];
        assert_eq!(
            own,
            [
                "ai-voice-call-record",
                "ai_voice_call_record",
                "AiVoiceCallRecord",
                "PUSH_TOKEN_SHA256_AI_VOICE_CALL_RECORD",
                "AI_VOICE_UTC_OFFSET",
            ]
        );
    }
}
