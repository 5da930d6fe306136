//! What the model's values are called by people: in the pages of the console, and in the files that have Chinese headings.
//!
//! The Chinese is that of the platforms' own consoles and documents; docs/console.md has the terms.

use shared::model::{HangupBy, Outcome, Provider};

/// A value's name in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// In English.
    pub english: &'static str,
    /// In Chinese.
    pub chinese: &'static str,
}

const fn name(english: &'static str, chinese: &'static str) -> Name {
    Name { english, chinese }
}

/// What became of a call.
pub fn outcome(outcome: Outcome) -> Name {
    match outcome {
        Outcome::Answered => name("Answered", "已接通"),
        // Alibaba's 智能接听 is a mailbox or the phone's own voice assistant; LAAFFIC's 语音信箱 a mailbox.
        Outcome::Voicemail => name("Voicemail", "语音信箱/智能接听"),
        Outcome::NoAnswer => name("No answer", "无应答"),
        Outcome::Busy => name("Busy", "被叫忙"),
        Outcome::Rejected => name("Declined", "拒接"),
        Outcome::PoweredOff => name("Powered off", "关机"),
        Outcome::Suspended => name("Out of service", "停机"),
        Outcome::InvalidNumber => name("Invalid number", "空号"),
        Outcome::Unreachable => name("Unreachable", "无法接通"),
        Outcome::Forwarded => name("Forwarded", "呼叫转移"),
        // Two of Alibaba's codes: the callee takes no calls, or the carrier stops such ones.
        Outcome::Barred => name("Blocked", "限制呼入/运营商拦截"),
        Outcome::Congestion => name("Network busy", "网络忙"),
        Outcome::Canceled => name("Cancelled", "主叫取消"),
        // The engine's 多并发呼损 and 转人工呼损.
        Outcome::Abandoned => name("Abandoned", "呼损"),
        Outcome::CallerError => name("Caller number unusable", "主叫号码不可用"),
        Outcome::SystemError => name("System error", "系统异常"),
        Outcome::Other => name("Other", "其他"),
    }
}

/// Who ended a call.
pub fn hangup_by(by: HangupBy) -> Name {
    match by {
        HangupBy::Callee => name("Callee", "客户"),
        HangupBy::Agent => name("Agent", "机器人"),
        HangupBy::System => name("System", "系统"),
        HangupBy::Unknown => name("Unknown", "未知"),
    }
}

/// A platform. One that has no Chinese name is called as it calls itself.
pub fn provider(provider: Provider) -> Name {
    let title = provider.platform().title;
    match provider {
        Provider::Alicom => name(title, "阿里云"),
        _ => name(title, title),
    }
}

/// What somebody thinks of a call, by one of the words that the console offers.
pub fn verdict(verdict: &str) -> Option<Name> {
    match verdict {
        "good" => Some(name("Good", "合格")),
        "bad" => Some(name("Problem", "不合格")),
        "unsure" => Some(name("To discuss", "待复核")),
        _ => None,
    }
}

/// A value of an attribute that holds one of few words; `None` for an attribute that has other values, and for a value that this release does
/// not know.
pub fn of_value(attribute: &str, value: &str) -> Option<Name> {
    match attribute {
        "provider" => Provider::named(value).map(provider),
        "outcome" => Outcome::named(value).map(outcome),
        "hangup_by" => HangupBy::named(value).map(hangup_by),
        "verdict" => verdict(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_values_have_the_same_name() {
        let outcomes = Outcome::ALL.map(outcome);
        let providers = Provider::ALL.map(provider);
        let sides = HangupBy::ALL.map(hangup_by);
        for names in [&outcomes[..], &providers, &sides] {
            let english: BTreeSet<_> = names.iter().map(|name| name.english).collect();
            let chinese: BTreeSet<_> = names.iter().map(|name| name.chinese).collect();
            assert_eq!([english.len(), chinese.len()], [names.len(); 2], "{names:?}");
        }
    }

    #[test]
    fn values_have_names_and_what_is_unknown_has_none() {
        let chinese = |attribute, value| of_value(attribute, value).map(|name| name.chinese);
        assert_eq!(chinese("outcome", "no_answer"), Some("无应答"));
        assert_eq!(chinese("provider", "alicom"), Some("阿里云"));
        assert_eq!(chinese("hangup_by", "callee"), Some("客户"));
        assert_eq!(chinese("outcome", "of_a_later_release"), None);
        assert_eq!(chinese("intent_code", "answered"), None);
    }
}
