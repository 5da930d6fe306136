//! Words for values of the model, and sentences with numbers in them.

use readers::names::{self, Name};
use shared::access::Permission;
use shared::model::{HangupBy, Outcome, Provider, RecordingState};

use super::Words;
use crate::frame::grouped;

impl Words {
    /// What became of a call, by its name in the model.
    pub(crate) fn outcome(&self, outcome: &str) -> &'static str {
        Outcome::named(outcome).map_or(self.unknown, |outcome| self.of(names::outcome(outcome)))
    }

    /// What a parameter of a page's URL, or a field of a form, is called there; `None` for what has no name there.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'static str> {
        Some(match name {
            "provider" => self.platform,
            "task" => self.task,
            "callee" | "number" => self.callee,
            "callee_id" => self.callee_id,
            "day" => self.day,
            "zone" => self.time_zone,
            "outcome" => self.outcome,
            "intent" => self.intent,
            "tag" => self.tags,
            "min_duration_s" => self.at_least,
            "max_duration_s" => self.at_most,
            "hangup_by" => self.hangup_by,
            "has_recording" => self.with_recording,
            "reviewed" => self.review_state,
            "updated_since" => self.changed_since,
            "order" => self.order,
            "limit" => self.per_page,
            "cursor" | "after" => self.place_in_list,
            "numbers" => self.with_numbers,
            "verdict" => self.verdict,
            _ => return None,
        })
    }

    /// Who ended a call, by their name in the model.
    pub(crate) fn hangup(&self, by: &str) -> &'static str {
        HangupBy::named(by).map_or(self.unknown, |by| self.of(names::hangup_by(by)))
    }

    pub(crate) fn recording_state(&self, state: &str) -> &'static str {
        match state {
            _ if state == RecordingState::Pending.as_str() => self.state_pending,
            _ if state == RecordingState::Archived.as_str() => self.state_archived,
            _ if state == RecordingState::Expired.as_str() => self.state_expired,
            _ => self.state_failed,
        }
    }

    pub(crate) fn slot_name(&self, slot: &str) -> Option<&'static str> {
        match slot {
            "main" => Some(self.slot_main),
            "full" => Some(self.slot_full),
            "customer" => Some(self.slot_customer),
            _ => None,
        }
    }

    pub(crate) fn verdict_name(&self, verdict: &str) -> Option<&'static str> {
        names::verdict(verdict).map(|name| self.of(name))
    }

    /// The platform, by its name in keys.
    pub(crate) fn provider<'a>(&self, name: &'a str) -> &'a str {
        Provider::named(name).map_or(name, |provider| self.of(names::provider(provider)))
    }

    /// What was seen, as the access log has it.
    pub(crate) fn seen(&self, what: &str) -> String {
        let (head, rest) = what.split_once(' ').unwrap_or((what, ""));
        let (english, chinese) = match (head, rest) {
            ("call", "with numbers") => {
                return self.pick("Call with numbers", "通话详情（含完整号码）").to_owned();
            }
            ("call", _) => ("Call", "通话详情"),
            ("number", _) => ("Number", "完整号码"),
            ("recording", _) => ("Recording", "录音"),
            ("push", _) => ("Push", "推送原文"),
            ("vcon", _) => ("vCon", "vCon"),
            ("list", _) => ("List", "通话列表"),
            ("tasks", _) => ("Task counts", "任务统计"),
            ("download", _) => ("Download", "导出"),
            _ => return what.to_owned(),
        };
        let named = self.pick(english, chinese);
        match (head, self.slot_name(rest)) {
            ("recording", Some(slot)) => format!("{named} · {slot}"),
            _ if rest.is_empty() => named.to_owned(),
            _ => format!("{named} · {rest}"),
        }
    }

    fn of(&self, name: Name) -> &'static str {
        self.pick(name.english, name.chinese)
    }

    fn pick(&self, english: &'static str, chinese: &'static str) -> &'static str {
        if self.is_chinese() { chinese } else { english }
    }

    /// What a permission allows.
    pub(crate) fn permission(&self, permission: Permission) -> &'static str {
        let (english, chinese) = match permission {
            Permission::ReadCalls => ("to see calls", "查看通话"),
            Permission::SeeNumbers => ("to see phone numbers", "查看完整号码"),
            Permission::ListenToRecordings => ("to listen to recordings", "收听录音"),
            Permission::ReviewCalls => ("to review calls", "质检"),
            Permission::ReadOperations => ("to see how callvault fares", "运维"),
        };
        self.pick(english, chinese)
    }

    /// What a function catches, as its platform calls it; `None` of one that is known by its name alone.
    pub(crate) fn function(&self, function: &str) -> Option<&'static str> {
        let (english, chinese) = match function {
            "alicom-call-report" => ("Alibaba: call report", "阿里云·呼叫记录"),
            "alicom-call-record" => ("Alibaba: recording", "阿里云·录音记录"),
            "alicom-call-note" => ("Alibaba: call note", "阿里云·通话小记"),
            "ai-voice-call-record" => ("AI-voice: call record", "AI-voice·通话记录"),
            "laaffic-status-report" => ("LAAFFIC: status report", "LAAFFIC·状态报告"),
            _ => return None,
        };
        Some(self.pick(english, chinese))
    }

    /// Which zone the times of a page are of; `offset` is how far it is from UTC.
    pub(crate) fn times_are(&self, zone: &str, offset: &str) -> String {
        match self.is_chinese() {
            true => format!("显示时区：{zone}（{offset}）"),
            false => format!("Times are in {zone} ({offset})"),
        }
    }

    /// So many calls can't be read.
    pub(crate) fn unreadable(&self, count: u64) -> String {
        let calls = grouped(count);
        match self.is_chinese() {
            true => format!("{calls} 条通话记录无法读取，未显示。"),
            false if count == 1 => format!("{calls} call can't be read and is not shown."),
            false => format!("{calls} calls can't be read and are not shown."),
        }
    }

    /// So many calls are on a page of a list, which may have more of them.
    pub(crate) fn on_this_page(&self, count: usize) -> String {
        match self.is_chinese() {
            true => format!("本页 {count} 条"),
            false if count == 1 => "1 call on this page".to_owned(),
            false => format!("{count} calls on this page"),
        }
    }

    /// So many turns of a conversation.
    pub(crate) fn turns(&self, count: usize) -> String {
        let turns = grouped(count as u64);
        match self.is_chinese() {
            true => format!("共 {turns} 句"),
            false if count == 1 => "1 turn".to_owned(),
            false => format!("{turns} turns"),
        }
    }

    /// Above what was rejected in so many days.
    pub(crate) fn rejects(&self, days: i64) -> String {
        match self.is_chinese() {
            true => format!("近 {days} 天被拒收的推送"),
            false => format!("Rejected pushes of the last {days} days"),
        }
    }

    /// So many recordings expire within a day.
    pub(crate) fn expiring(&self, count: usize) -> String {
        match self.is_chinese() {
            true => format!("{count} 条录音的链接将在 24 小时内失效"),
            false => format!(
                "{count} {} within a day",
                if count == 1 { "recording expires" } else { "recordings expire" }
            ),
        }
    }

    /// So many recordings were lost in the last day.
    pub(crate) fn lost_lately(&self, count: usize) -> String {
        match self.is_chinese() {
            true => format!("最近 24 小时有 {count} 条录音未能归档"),
            false => format!(
                "{count} {} lost in the last day",
                if count == 1 { "recording was" } else { "recordings were" }
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Language;

    #[test]
    fn numbers_in_sentences_have_the_words_that_they_take() {
        let [english, chinese] = Language::ALL.map(Language::words);
        assert_eq!(chinese.unreadable(1_203), "1,203 条通话记录无法读取，未显示。");
        assert_eq!(english.unreadable(1), "1 call can't be read and is not shown.");
        assert_eq!(english.unreadable(1_203), "1,203 calls can't be read and are not shown.");
        assert_eq!(
            [english.on_this_page(1), english.on_this_page(50)],
            ["1 call on this page", "50 calls on this page"]
        );
        assert_eq!(chinese.on_this_page(50), "本页 50 条");
        assert_eq!(chinese.expiring(2), "2 条录音的链接将在 24 小时内失效");
        assert_eq!(chinese.rejects(3), "近 3 天被拒收的推送");
        assert_eq!(chinese.times_are("Asia/Shanghai", "UTC+8:00"), "显示时区：Asia/Shanghai（UTC+8:00）");
        assert_eq!(chinese.seen("call with numbers"), "通话详情（含完整号码）");
    }

    #[test]
    fn every_value_of_the_model_has_words() {
        for words in Language::ALL.map(Language::words) {
            for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Other) {
                assert_ne!(words.outcome(outcome.as_str()), words.unknown);
            }
            for provider in Provider::ALL {
                assert_ne!(words.provider(provider.as_str()), provider.as_str());
            }
            // Who speaks, and who hangs up, is the same person.
            assert_eq!([words.hangup("callee"), words.hangup("agent")], [words.customer, words.agent]);
            assert_eq!([words.hangup("unknown"), words.hangup("x")], [words.unknown; 2]);
            assert_eq!([words.outcome("x"), words.provider("x")], [words.unknown, "x"]);
        }
    }
}
