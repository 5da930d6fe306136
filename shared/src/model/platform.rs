//! The platforms: one row each, with all that code beside their normalizers has to know of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A platform that makes calls. Call ids are unique within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Alibaba Cloud's Intelligent Communications Agent.
    Alicom,
    /// The AI-voice application of itniotech and ONBUKA, on Yiwise's engine.
    AiVoice,
    /// LAAFFIC's IVR group calls.
    Laaffic,
}

/// What is to be known of a platform.
#[derive(Debug)]
pub struct Platform {
    /// The platform.
    pub provider: Provider,
    /// Its name in keys and attributes.
    pub name: &'static str,
    /// Its name for people, and for programs of others.
    pub title: &'static str,
    /// The variables that hold the zone of its times that carry none. The first that is set counts; the others are older names.
    pub zone_variables: &'static [&'static str],
    /// Whether its API is asked for what no push of a call has brought: a call of others is never due to be asked for.
    pub is_asked: bool,
    /// Whether an earlier release named a recording's slot by the recording's id.
    pub slots_were_ids: bool,
}

const ALICOM: Platform = Platform {
    provider: Provider::Alicom,
    name: "alicom",
    title: "Alibaba Cloud",
    zone_variables: &["ALICOM_UTC_OFFSET", "ALIBABA_UTC_OFFSET"],
    is_asked: true,
    slots_were_ids: false,
};

const AI_VOICE: Platform = Platform {
    provider: Provider::AiVoice,
    name: "ai-voice",
    title: "AI-voice",
    zone_variables: &["AI_VOICE_UTC_OFFSET"],
    is_asked: false,
    slots_were_ids: false,
};

const LAAFFIC: Platform = Platform {
    provider: Provider::Laaffic,
    name: "laaffic",
    title: "LAAFFIC",
    zone_variables: &["LAAFFIC_UTC_OFFSET"],
    is_asked: false,
    slots_were_ids: true,
};

impl Provider {
    /// Every platform.
    pub const ALL: [Self; 3] = [ALICOM.provider, AI_VOICE.provider, LAAFFIC.provider];

    /// The platform's row.
    pub fn platform(self) -> &'static Platform {
        match self {
            Self::Alicom => &ALICOM,
            Self::AiVoice => &AI_VOICE,
            Self::Laaffic => &LAAFFIC,
        }
    }

    /// The name in keys and attributes.
    pub fn as_str(self) -> &'static str {
        self.platform().name
    }

    /// The platform that has this name in keys and attributes.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_themselves_and_no_two_share_a_name_or_a_variable() {
        let mut taken = std::collections::BTreeSet::new();
        for provider in Provider::ALL {
            let row = provider.platform();
            assert_eq!(row.provider, provider);
            assert_eq!(Provider::named(row.name), Some(provider));
            assert_eq!(serde_json::to_value(provider).unwrap(), row.name, "in attributes as in keys");
            for name in row.zone_variables.iter().chain([&row.name]) {
                assert!(taken.insert(*name), "{name}");
            }
            assert!(!row.zone_variables.is_empty(), "{provider}");
        }
        assert_eq!(Provider::named("Alicom"), None);
    }
}
