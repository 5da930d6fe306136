//! What every page has around it, and how it tells times, durations and amounts.

use jiff::Unit;
use maud::{DOCTYPE, Markup, html};
use runtime::auth::session::Sealer;
use serde_json::Value;
use shared::access::Permission;
use shared::masking::is_unseen_mark;
use shared::model::Instant;
use shared::reading::Zone;

use crate::asset::{ICON, SCRIPT, STYLE};
use crate::session::Session;
use crate::words::{Language, Words};
use crate::zones;

/// The page that is shown, among those of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Today,
    Calls,
    Tasks,
    Operations,
    Elsewhere,
}

/// How a page is shown to somebody.
pub(crate) struct Frame<'a> {
    pub(crate) words: &'static Words,
    pub(crate) language: Language,
    pub(crate) zone: Zone,
    pub(crate) now: Instant,
    /// Who is signed in.
    pub(crate) session: Option<&'a Session>,
    /// What seals what is not to be read by the browser; `None` where there is no key.
    pub(crate) sealer: Option<&'a Sealer>,
    /// What forms of this page carry.
    pub(crate) form_token: String,
    /// The page's own path and query: where one comes back to.
    pub(crate) here: String,
}

/// A page that was made.
pub(crate) struct Page {
    pub(crate) title: String,
    pub(crate) place: Place,
    /// What it tells, as JSON.
    pub(crate) data: Value,
    pub(crate) body: Markup,
    /// Where recordings may be played from, beside the console itself.
    pub(crate) media: Option<String>,
}

impl Frame<'_> {
    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.session.is_some_and(|session| session.actor.may(permission))
    }

    /// The same for somebody who is not signed in.
    pub(crate) fn of_nobody(&self) -> Self {
        Self {
            words: self.words,
            language: self.language,
            zone: self.zone.clone(),
            now: self.now,
            session: None,
            sealer: None,
            form_token: String::new(),
            here: "/".to_owned(),
        }
    }

    /// The page with all that is around it.
    pub(crate) fn around(&self, page: &Page) -> Markup {
        let w = self.words;
        html! {
            (DOCTYPE)
            html lang=(self.language.html()) {
                head {
                    meta charset="utf-8";
                    title { (page.title) " · callvault" }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    link rel="icon" href=(ICON.path);
                    link rel="stylesheet" href=(STYLE.path);
                    script src=(SCRIPT.path) defer {}
                }
                body {
                    a.skip href="#main" { (w.skip) }
                    header.top {
                        a.brand href="/" { "callvault" }
                        @if self.session.is_some() { (self.menu(page.place)) }
                        @if self.session.is_some() { div.who { (self.choices()) (self.person()) } }
                    }
                    main id="main" tabindex="-1" { (page.body) }
                    footer {
                        span { (w.times_are(zones::called(self.zone.name(), self.language), &self.offset())) }
                        @if let Some(path) = self.json_path(page) { a href=(path) rel="nofollow" { (w.as_json) } }
                    }
                }
            }
        }
    }

    fn menu(&self, place: Place) -> Markup {
        let w = self.words;
        let entries = [
            (Place::Today, "/", w.today, Permission::ReadCalls),
            (Place::Calls, "/calls", w.calls, Permission::ReadCalls),
            (Place::Tasks, "/tasks", w.tasks, Permission::ReadCalls),
            (Place::Operations, "/operations", w.operations, Permission::ReadOperations),
        ];
        html! {
            nav aria-label=(w.menu) {
                @for (of, path, name, permission) in entries {
                    @if self.may(permission) {
                        a href=(path) aria-current=[(of == place).then_some("page")] { (name) }
                    }
                }
            }
        }
    }

    /// Language and zone.
    fn choices(&self) -> Markup {
        let w = self.words;
        let others: Vec<_> =
            Language::ALL.into_iter().filter(|language| *language != self.language).collect();
        let own = self.zone.name();
        let own = (!zones::ALL.iter().any(|zone| zone.id == own)).then_some((own, own));
        let zones = zones::ALL.iter().map(|zone| (zone.id, zone.name(self.language)));
        html! {
            form.choices action="/choices" method="post" data-auto aria-label=(w.settings) {
                (self.form_fields())
                label.hidden for="zone" { (w.time_zone) }
                select id="zone" name="zone" {
                    @for (id, name) in own.into_iter().chain(zones) {
                        option value=(id) selected[id == self.zone.name()] { (name) }
                    }
                }
                button.plain.nojs { (w.apply) }
                @for language in others {
                    button.plain name="language" value=(language.tag()) lang=(language.html()) { (language.name()) }
                }
            }
        }
    }

    fn person(&self) -> Markup {
        let w = self.words;
        html! {
            @if let Some(session) = self.session {
                form action="/logout" method="post" {
                    (self.form_fields())
                    span.name title=(session.name) { (session.name) }
                    button.plain { (w.sign_out) }
                }
            }
        }
    }

    /// What each form carries: whose it is, and where it was.
    pub(crate) fn form_fields(&self) -> Markup {
        html! {
            input type="hidden" name="form" value=(self.form_token);
            input type="hidden" name="here" value=(self.here);
        }
    }

    /// The path at which the same is JSON; none where there is none.
    fn json_path(&self, page: &Page) -> Option<String> {
        if page.place == Place::Elsewhere || page.data.is_null() {
            return None;
        }
        let (path, query) = self.here.split_once('?').unwrap_or((&self.here, ""));
        let path = if path == "/" { "/today" } else { path };
        let mark = if query.is_empty() { "" } else { "?" };
        Some(format!("{path}.json{mark}{query}"))
    }

    /// How far the zone is from UTC: a page may show times of both halves of a year.
    fn offset(&self) -> String {
        const HALF_YEAR_MS: i64 = 26 * 7 * 24 * 60 * 60 * 1_000;
        let later = Instant::from_epoch_millis(self.now.epoch_millis() + HALF_YEAR_MS).unwrap_or(self.now);
        let mut offsets = [self.now, later].map(|at| self.zone.offset_s(at) / 60).to_vec();
        offsets.sort_unstable();
        offsets.dedup();
        let named = |minutes: i32| {
            let sign = if minutes < 0 { '−' } else { '+' };
            format!("{sign}{}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        };
        format!("UTC{}", offsets.into_iter().map(named).collect::<Vec<_>>().join("/"))
    }

    /// What a function catches, with its name; what has no name of people's is told by that alone.
    pub(crate) fn function(&self, function: &str) -> Markup {
        match self.words.function(function) {
            Some(words) => html! { (words) " " small { code { (function) } } },
            None => html! { code { (brief(function, 60)) } },
        }
    }

    /// A time in the zone: date and clock.
    pub(crate) fn time(&self, at: Instant) -> String {
        self.zone.local(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The same with `<time>`, which programs read.
    pub(crate) fn when(&self, at: Instant) -> Markup {
        html! { time datetime=(at.to_text()) { (self.time(at)) } }
    }

    /// The time that an attribute holds.
    pub(crate) fn when_of(&self, value: Option<&Value>) -> Option<Markup> {
        instant(value).map(|at| self.when(at))
    }

    /// The clock alone.
    pub(crate) fn clock(&self, at: Instant) -> String {
        let local = self.zone.local(at);
        let rounded = local.round(Unit::Second).unwrap_or(local);
        rounded.strftime("%H:%M:%S").to_string()
    }
}

/// The time that an attribute holds.
pub(crate) fn instant(value: Option<&Value>) -> Option<Instant> {
    value?.as_str()?.parse().ok()
}

/// The text that an attribute holds.
pub(crate) fn text<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

/// The whole number that an attribute holds.
pub(crate) fn number(of: &Value, name: &str) -> Option<u64> {
    of.get(name)?.as_u64()
}

/// Seconds as players show them: `1:05`, `1:00:05`.
pub(crate) fn lasted(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A part of a whole, in percent with one digit.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "–".to_owned(),
        _ => format!("{:.1}%", part as f64 * 100.0 / whole as f64),
    }
}

/// A size as people tell it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// A text that is too long to be shown whole, cut: a hostile one must not blow a table up.
pub(crate) fn brief(text: &str, characters: usize) -> String {
    let shown: String = shown(text).take(characters + 1).collect();
    match shown.chars().count() > characters {
        true => shown.chars().take(characters).chain(['…']).collect(),
        false => shown,
    }
}

/// What turns the direction of what follows, or is seen by nobody: it would let one text look like another.
fn is_invisible(character: char) -> bool {
    is_unseen_mark(character) || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// What joins two characters, or keeps them apart: Hindi and Persian are spelt with these, and families of emoji are made of them.
fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

/// The characters of a text that may be shown: no invisible ones, but for a joiner where it may be one.
fn shown(text: &str) -> impl Iterator<Item = char> {
    let mut before = ' ';
    text.chars().filter(move |character| {
        let joins = is_joiner(*character) && !before.is_ascii() && !is_joiner(before);
        let is_shown = joins || !is_invisible(*character);
        if is_shown {
            before = *character;
        }
        is_shown
    })
}

/// A text as it may be shown, whole, but for what is invisible.
pub(crate) fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    match text.chars().any(is_invisible) {
        true => shown(text).collect::<String>().into(),
        false => text.into(),
    }
}

#[cfg(test)]
impl Frame<'_> {
    /// In English, for nobody.
    pub(crate) fn of_test(now: Instant) -> Self {
        Self {
            words: Language::English.words(),
            language: Language::English,
            zone: Zone::default(),
            now,
            session: None,
            sealer: None,
            form_token: String::new(),
            here: "/".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_as_people_read_them() {
        assert_eq!([0, 5, 65, 3_605].map(lasted), ["0:00", "0:05", "1:05", "1:00:05"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([percent(1, 3), percent(0, 0)], ["33.3%", "–"]);
        assert_eq!([size(10), size(45_300), size(2_500_000)], ["10 B", "45 kB", "2.5 MB"]);
    }

    #[test]
    fn a_hostile_text_is_cut_and_turns_nothing_around() {
        assert_eq!(brief("abcdef", 3), "abc…");
        assert_eq!(brief("a\u{202e}b\0c", 9), "abc");
        assert_eq!(visible("a\u{202e}b\u{0}\nc"), "ab\nc");
    }

    #[test]
    fn what_is_spelt_with_joiners_keeps_them_and_nothing_else_does() {
        for spelt in ["👩\u{200d}👩\u{200d}👧", "क्\u{200d}ष", "می\u{200c}خواهم"] {
            assert_eq!(visible(spelt), spelt);
            assert_eq!(brief(spelt, 40), spelt);
        }
        assert_eq!(visible("\u{200d}pay\u{200c}pal é\u{200d}\u{200d}\u{200b}x"), "paypal é\u{200d}x");
    }
}
