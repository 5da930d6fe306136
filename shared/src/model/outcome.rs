//! How a call ended, in one vocabulary for all providers.
//!
//! The tables here hold every value that a provider documents. What they don't hold is not an error: it becomes
//! [`Outcome::Other`] or [`HangupBy::Unknown`], the provider's own value is kept in the call's `status`, and it is counted.

use serde::{Deserialize, Serialize};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The callee, or somebody in their place, answered.
    Answered,
    /// An answering machine or voice assistant took the call.
    Voicemail,
    /// It rang and nobody answered.
    NoAnswer,
    /// The callee's line was busy.
    Busy,
    /// The callee declined.
    Rejected,
    /// The callee's phone was off.
    PoweredOff,
    /// The callee's number is out of service.
    Suspended,
    /// No such number.
    InvalidNumber,
    /// The network could not reach the callee.
    Unreachable,
    /// The callee's number forwards its calls.
    Forwarded,
    /// The callee or the carrier bars such calls.
    Barred,
    /// The network was busy.
    Congestion,
    /// The calling side hung up before an answer.
    Canceled,
    /// The callee hung up while waiting to be served.
    Abandoned,
    /// The calling number can't call: barred, or in arrears.
    CallerError,
    /// The platform failed.
    SystemError,
    /// Anything else, and every value that no document knows.
    Other,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangupBy {
    /// The person called.
    Callee,
    /// The AI agent, or the calling side as a whole.
    Agent,
    /// The platform or the network.
    System,
    /// The provider named somebody that no document knows.
    Unknown,
}

impl Outcome {
    /// Every value.
    pub const ALL: [Self; 17] = [
        Self::Answered,
        Self::Voicemail,
        Self::NoAnswer,
        Self::Busy,
        Self::Rejected,
        Self::PoweredOff,
        Self::Suspended,
        Self::InvalidNumber,
        Self::Unreachable,
        Self::Forwarded,
        Self::Barred,
        Self::Congestion,
        Self::Canceled,
        Self::Abandoned,
        Self::CallerError,
        Self::SystemError,
        Self::Other,
    ];

    /// The name in items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Voicemail => "voicemail",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
            Self::PoweredOff => "powered_off",
            Self::Suspended => "suspended",
            Self::InvalidNumber => "invalid_number",
            Self::Unreachable => "unreachable",
            Self::Forwarded => "forwarded",
            Self::Barred => "barred",
            Self::Congestion => "congestion",
            Self::Canceled => "canceled",
            Self::Abandoned => "abandoned",
            Self::CallerError => "caller_error",
            Self::SystemError => "system_error",
            Self::Other => "other",
        }
    }

    /// The value that has this name in items.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// Alibaba's intelligent status code: `smartStatusCode` of AlicomAgentCallReport, `CallResult` of
    /// QueryConversationDetailInfo. The two lists differ in two synonyms; the older voice service's `OTHER` is taken too.
    pub fn from_alibaba(code: &str) -> Option<Self> {
        Some(match code {
            "ANSWERED" => Self::Answered,
            "INTELLIGENT_ANSWER" => Self::Voicemail,
            "NO_ANSWER" => Self::NoAnswer,
            "USER_BUSY" => Self::Busy,
            "CALL_REJECTED" => Self::Rejected,
            "POWERED_OFF" => Self::PoweredOff,
            "SUSPEND" => Self::Suspended,
            "INVALID_NUMBER" => Self::InvalidNumber,
            "UNAVAILABLE" | "NO_USER_RESPONDING" | "NO_USER_RESPONSE" => Self::Unreachable,
            "CALL_FORWARDING" => Self::Forwarded,
            "INCOMING_CALL_BARRED" | "OPERATOR_BLOCK" => Self::Barred,
            "NETWORK_BUSY" => Self::Congestion,
            "CANCEL" => Self::Canceled,
            "OTHERS" | "OTHER" => Self::Other,
            _ => return None,
        })
    }

    /// `resultStatus` of the AI-voice platform's call record.
    pub fn from_ai_voice(status: &str) -> Option<Self> {
        Some(match status {
            "ANSWERED" => Self::Answered,
            "NO_ANSWER" => Self::NoAnswer,
            "BUSY" => Self::Busy,
            "REFUSED" => Self::Rejected,
            "POWER_OFF" => Self::PoweredOff,
            "OUT_OF_SERVICE" => Self::Suspended,
            "VACANT_NUMBER" => Self::InvalidNumber,
            "CAN_NOT_CONNECT" => Self::Unreachable,
            "CALL_LOSS" | "TRANSFER_ARTIFICIAL" => Self::Abandoned,
            "FROM_PHONE_ERROR" => Self::CallerError,
            "SYSTEM_ERROR" => Self::SystemError,
            _ => return None,
        })
    }

    /// `callDescription` of LAAFFIC's status report, where it says more than that the call was connected:
    /// 2 voicemail, 5 caller hung up, 6 busy or declined, 7 out of the service area, 8 not answered in time.
    /// 1, 3, 4 and 10 describe a connected call and leave the outcome to `callStatusNew`.
    pub fn from_laaffic_description(description: u64) -> Option<Self> {
        Some(match description {
            2 => Self::Voicemail,
            5 => Self::Canceled,
            6 => Self::Busy,
            7 => Self::Unreachable,
            8 => Self::NoAnswer,
            _ => return None,
        })
    }

    /// `callStatusNew` of LAAFFIC's status report: 1 connected, 2 connected with a fault, 3 not connected, 4 not
    /// connected with a fault.
    pub fn from_laaffic_status_new(status: u64) -> Option<Self> {
        Some(match status {
            1 | 2 => Self::Answered,
            3 | 4 => Self::NoAnswer,
            _ => return None,
        })
    }

    /// `callStatus` of LAAFFIC's older voice push, which the newer one still carries.
    pub fn from_laaffic_status(status: u64) -> Option<Self> {
        Some(match status {
            10 => Self::Busy,
            20 => Self::NoAnswer,
            40 => Self::Voicemail,
            50 => Self::Answered,
            30 | 60 => Self::Other,
            _ => return None,
        })
    }

    /// `terminationCode` of LAAFFIC's status report: 0 is success, all else a failure of no named kind.
    pub fn from_laaffic_termination(code: u64) -> Self {
        if code == 0 { Self::Answered } else { Self::Other }
    }
}

impl HangupBy {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Callee, Self::Agent, Self::System, Self::Unknown];

    /// The name in items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Callee => "callee",
            Self::Agent => "agent",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }

    /// The value that has this name in items.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// `hangupDirection` of AlicomAgentCallReport (English and Chinese page) and of QueryConversationDetailInfo
    /// (documented as `0` and `1`, sampled in Chinese).
    pub fn from_alibaba(direction: &str) -> Option<Self> {
        Some(match direction {
            "User" | "user" | "用户" | "0" => Self::Callee,
            "Machine" | "machine" | "机器" | "1" => Self::Agent,
            _ => return None,
        })
    }

    /// `hangupBy` of the AI-voice platform, of which no document shows another value than `REMOTE_HANGUP`.
    pub fn from_ai_voice(by: &str) -> Option<Self> {
        (by == "REMOTE_HANGUP").then_some(Self::Callee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_the_name_that_items_have() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
            assert_eq!(Outcome::named(outcome.as_str()), Some(outcome));
        }
        for side in HangupBy::ALL {
            assert_eq!(serde_json::to_value(side).unwrap(), side.as_str());
            assert_eq!(HangupBy::named(side.as_str()), Some(side));
        }
        assert_eq!((Outcome::named("Busy"), HangupBy::named("")), (None, None));
    }

    /// Every value of every document, and its outcome.
    #[test]
    fn every_documented_value_has_its_outcome() {
        use Outcome::*;
        for (code, outcome) in [
            ("ANSWERED", Answered),
            ("CANCEL", Canceled),
            ("CALL_REJECTED", Rejected),
            ("CALL_FORWARDING", Forwarded),
            ("INCOMING_CALL_BARRED", Barred),
            ("INVALID_NUMBER", InvalidNumber),
            ("NO_ANSWER", NoAnswer),
            ("NO_USER_RESPONDING", Unreachable),
            ("NO_USER_RESPONSE", Unreachable),
            ("NETWORK_BUSY", Congestion),
            ("OPERATOR_BLOCK", Barred),
            ("POWERED_OFF", PoweredOff),
            ("SUSPEND", Suspended),
            ("USER_BUSY", Busy),
            ("UNAVAILABLE", Unreachable),
            ("INTELLIGENT_ANSWER", Voicemail),
            ("OTHERS", Other),
            ("OTHER", Other),
        ] {
            assert_eq!(Outcome::from_alibaba(code), Some(outcome), "{code}");
        }
        for (status, outcome) in [
            ("ANSWERED", Answered),
            ("NO_ANSWER", NoAnswer),
            ("BUSY", Busy),
            ("POWER_OFF", PoweredOff),
            ("OUT_OF_SERVICE", Suspended),
            ("REFUSED", Rejected),
            ("VACANT_NUMBER", InvalidNumber),
            ("CAN_NOT_CONNECT", Unreachable),
            ("FROM_PHONE_ERROR", CallerError),
            ("SYSTEM_ERROR", SystemError),
            ("CALL_LOSS", Abandoned),
            ("TRANSFER_ARTIFICIAL", Abandoned),
        ] {
            assert_eq!(Outcome::from_ai_voice(status), Some(outcome), "{status}");
        }
        let descriptions = [(2, Voicemail), (5, Canceled), (6, Busy), (7, Unreachable), (8, NoAnswer)];
        for (description, outcome) in descriptions {
            assert_eq!(Outcome::from_laaffic_description(description), Some(outcome), "{description}");
        }
        for connected in [1, 3, 4, 10] {
            assert_eq!(Outcome::from_laaffic_description(connected), None, "{connected}");
        }
        for (status, outcome) in [(1, Answered), (2, Answered), (3, NoAnswer), (4, NoAnswer)] {
            assert_eq!(Outcome::from_laaffic_status_new(status), Some(outcome), "{status}");
        }
        for (status, outcome) in
            [(10, Busy), (20, NoAnswer), (30, Other), (40, Voicemail), (50, Answered), (60, Other)]
        {
            assert_eq!(Outcome::from_laaffic_status(status), Some(outcome), "{status}");
        }
        assert_eq!(Outcome::from_laaffic_termination(0), Answered);
        assert_eq!(Outcome::from_laaffic_termination(487), Other);
    }

    #[test]
    fn who_hung_up_is_read_in_english_chinese_and_numbers() {
        for direction in ["User", "用户", "0"] {
            assert_eq!(HangupBy::from_alibaba(direction), Some(HangupBy::Callee), "{direction}");
        }
        for direction in ["Machine", "机器", "1"] {
            assert_eq!(HangupBy::from_alibaba(direction), Some(HangupBy::Agent), "{direction}");
        }
        assert_eq!(HangupBy::from_alibaba("aleg"), None);
        assert_eq!(HangupBy::from_ai_voice("REMOTE_HANGUP"), Some(HangupBy::Callee));
    }

    #[test]
    fn what_no_document_knows_is_left_to_the_caller() {
        assert_eq!(Outcome::from_alibaba("ABDUCTED"), None);
        assert_eq!(Outcome::from_ai_voice("answered"), None);
        assert_eq!(Outcome::from_laaffic_status(70), None);
        assert_eq!(Outcome::from_laaffic_status_new(0), None);
    }
}
