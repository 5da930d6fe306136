//! Cookies: which there are, how they are named, and what is in them.
//!
//! Over HTTPS each is named `__Host-…`: a browser takes such a one only over HTTPS, for this host and all paths, so that no other host can
//! put one here. On plain loopback, where browsers refuse that, the local stack drops the prefix; nothing else can.

use readers::Event;

/// How the console is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// As always but on one's own machine.
    OverHttps,
    /// Over plain HTTP, to this machine alone: by the local stack.
    OnLoopback,
}

/// A cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookie {
    pub(crate) name: &'static str,
    /// For how long it is kept, in seconds.
    pub(crate) max_age_s: i64,
}

/// Who is signed in.
pub(crate) const SESSION: Cookie = Cookie { name: "callvault", max_age_s: 10 * 3_600 };
/// A sign-in that has begun.
pub(crate) const SIGN_IN: Cookie = Cookie { name: "callvault-sign-in", max_age_s: 600 };
/// The number that somebody looks for. A search is over after that time.
pub(crate) const SOUGHT: Cookie = Cookie { name: "callvault-sought", max_age_s: 1_800 };
/// The call whose number somebody is about to see, once.
pub(crate) const REVEALED: Cookie = Cookie { name: "callvault-revealed", max_age_s: 60 };
/// The language and the zone that somebody chose.
pub(crate) const CHOICE: Cookie = Cookie { name: "callvault-choice", max_age_s: 365 * 24 * 3_600 };

impl Cookie {
    fn full_name(&self, served: Served) -> String {
        match served {
            Served::OverHttps => format!("__Host-{}", self.name),
            Served::OnLoopback => self.name.to_owned(),
        }
    }

    /// Its value, as a request brings it. Where there are two of that name, none is believed.
    pub(crate) fn of<'a>(&self, event: &'a Event, served: Served) -> Option<&'a str> {
        let name = self.full_name(served);
        let mut values = event.cookies.iter().filter_map(|cookie| {
            let (known, value) = cookie.trim().split_once('=')?;
            (known == name).then_some(value)
        });
        values.next().filter(|_| values.next().is_none())
    }

    /// The header that sets it.
    pub(crate) fn set(&self, served: Served, value: &str) -> String {
        let secure = match served {
            Served::OverHttps => "; Secure",
            Served::OnLoopback => "",
        };
        let (name, max_age_s) = (self.full_name(served), self.max_age_s);
        format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The header that has it forgotten.
    pub(crate) fn forget(&self, served: Served) -> String {
        Self { max_age_s: 0, ..*self }.set(served, "")
    }
}
