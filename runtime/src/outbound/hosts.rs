//! Which hosts recordings may be fetched from: the setting `RECORDING_HOSTS`.
//!
//! A list, separated by commas, of exact names (`media.example.com`), of suffixes (`*.aliyuncs.com`: whatever is below
//! `aliyuncs.com`, itself not), and of exact `host:port` pairs. A pair is the one way to allow a private address, say a
//! recorder in the VPC or the local simulator: for that host at that port, addresses are not checked.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The hosts that recordings may be fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts {
    rules: Vec<Rule>,
}

/// Names are kept in lower case, in ASCII, and without the root's dot.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// This host, at any port.
    Exact(Host),
    /// What ends in this; it begins with a dot, so that a label is never cut in two.
    Below(String),
    /// This host at this port, wherever it is.
    Endpoint(Host, u16),
}

/// What the setting allows of one URL's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// The host may be fetched from while every address of it is public.
    PublicAddress,
    /// The operator named this very host and port: whatever its address.
    AnyAddress,
}

/// The URL's host is not among those allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host {host} is not allowed")]
pub struct HostNotAllowed {
    /// The host as the URL names it; empty if it names none.
    pub host: String,
}

/// An entry of the setting that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of hosts, `*.` suffixes and host:port, separated by commas: `{entry}`: {reason}")]
pub struct InvalidEntry {
    /// The entry as it stands in the setting.
    pub entry: String,
    reason: &'static str,
}

impl AllowedHosts {
    /// Tells whether, and how, this URL's host may be fetched from.
    ///
    /// # Errors
    /// [`HostNotAllowed`] if no entry of the setting covers it.
    pub fn allow(&self, url: &Url) -> Result<Permit, HostNotAllowed> {
        let refused = || HostNotAllowed { host: url.host_str().unwrap_or_default().to_owned() };
        let host = url.host().map(|host| canonical(host.to_owned())).ok_or_else(refused)?;
        let port = url.port_or_known_default();
        let mut permit = None;
        for rule in &self.rules {
            match rule {
                // The strongest permit: no later rule can add to it.
                Rule::Endpoint(allowed, at) if *allowed == host && Some(*at) == port => {
                    return Ok(Permit::AnyAddress);
                }
                Rule::Exact(allowed) if *allowed == host => permit = Some(Permit::PublicAddress),
                Rule::Below(suffix) if is_below(&host, suffix) => permit = Some(Permit::PublicAddress),
                Rule::Endpoint(..) | Rule::Exact(_) | Rule::Below(_) => {}
            }
        }
        permit.ok_or_else(refused)
    }

    /// Whether any entry allows an address that is not public.
    pub(super) fn allows_any_address(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::Endpoint(..)))
    }
}

impl FromStr for AllowedHosts {
    type Err = InvalidEntry;

    fn from_str(setting: &str) -> Result<Self, Self::Err> {
        // A comma at the end is no entry; between two others it may be a name that was forgotten.
        let setting = setting.trim();
        let entries = setting.strip_suffix(',').unwrap_or(setting).split(',').map(str::trim);
        let rules = entries.map(Rule::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { rules })
    }
}

/// What stands before a country's two letters where names are handed out to anybody below both: `com.cn`, `co.uk`.
const REGISTRIES: [&str; 36] = [
    "ac", "asso", "biz", "co", "com", "ed", "edu", "firm", "gen", "go", "gob", "gouv", "gov", "gv", "id",
    "idv", "in", "ind", "info", "lg", "ltd", "me", "mil", "name", "ne", "net", "nhs", "nic", "nom", "or",
    "org", "plc", "res", "sch", "tm", "web",
];

/// Nobody hands out names below these (RFC 2606).
const RESERVED: [&str; 3] = ["test", "example", "invalid"];

/// Whether anybody can have a name below this one: a single label that is not reserved, or what a country's registry hands names
/// out below.
fn is_public_suffix(name: &str) -> bool {
    let labels: Vec<_> = name.split('.').collect();
    match labels[..] {
        [label] => !RESERVED.contains(&label),
        [registry, country] => country.len() == 2 && REGISTRIES.contains(&registry),
        _ => false,
    }
}

/// Whether there is nothing before, between or after a name's dots.
fn has_empty_label(name: &str) -> bool {
    name.split('.').any(str::is_empty)
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, InvalidEntry> {
        let invalid = |reason| InvalidEntry { entry: entry.to_owned(), reason };
        if entry.contains(['/', '@', '?', '#', '\\']) {
            return Err(invalid("a host has no scheme, path or user"));
        }
        if let Some(suffix) = entry.strip_prefix("*.") {
            return match Host::parse(suffix).map(canonical) {
                Ok(Host::Domain(name)) if is_public_suffix(&name) => {
                    Err(invalid("anybody can have a name below that"))
                }
                Ok(Host::Domain(name)) if !name.contains('*') && !has_empty_label(&name) => {
                    Ok(Self::Below(format!(".{name}")))
                }
                Ok(_) | Err(_) => Err(invalid("after `*.` comes a name, without a port")),
            };
        }
        if entry.contains('*') {
            return Err(invalid("`*` stands only at the beginning, before a dot"));
        }
        let (host, port) = match entry.rsplit_once(':') {
            // The colons of a bare `[::1]` are inside its brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (entry, None),
        };
        let host = Host::parse(host).map(canonical).map_err(|_| invalid("it does not parse as a host"))?;
        match &host {
            Host::Domain(name) if has_empty_label(name) => {
                return Err(invalid("a name has something between its dots"));
            }
            // Without a port it may stand here: its address is checked, and refused.
            Host::Ipv4(address) if address.is_link_local() && port.is_some() => {
                return Err(invalid("whoever runs the machine answers there, with its credentials"));
            }
            Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => {}
        }
        match port.map(u16::from_str) {
            None => Ok(Self::Exact(host)),
            Some(Ok(port)) if port != 0 => Ok(Self::Endpoint(host, port)),
            Some(Ok(_) | Err(_)) => Err(invalid("the port is a number from 1 to 65535")),
        }
    }
}

impl fmt::Display for AllowedHosts {
    /// Writes the list as the setting would.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, rule) in self.rules.iter().enumerate() {
            f.write_str(if position == 0 { "" } else { "," })?;
            match rule {
                Rule::Exact(host) => write!(f, "{host}")?,
                Rule::Below(suffix) => write!(f, "*{suffix}")?,
                Rule::Endpoint(host, port) => write!(f, "{host}:{port}")?,
            }
        }
        Ok(())
    }
}

/// The parser has already folded case and punycode, and read every spelling of an IPv4 address.
fn canonical(host: Host) -> Host {
    match host {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned()),
        Host::Ipv4(_) | Host::Ipv6(_) => host,
    }
}

/// Whether the host is a name with at least one label before the suffix.
fn is_below(host: &Host, suffix: &str) -> bool {
    match host {
        Host::Domain(name) => name.len() > suffix.len() && name.ends_with(suffix),
        Host::Ipv4(_) | Host::Ipv6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTING: &str = " *.aliyuncs.com, media.example.com ,127.0.0.1:4000,[::1]:4000,rec.internal:443,8.8.8.8,[2606:4700::1],*.例子.cn,";

    #[test]
    fn a_host_is_allowed_by_name_by_suffix_or_as_a_pair() {
        use Permit::*;
        let hosts: AllowedHosts = SETTING.parse().unwrap();
        for (url, expected) in [
            ("https://a.aliyuncs.com/x", Some(PublicAddress)),
            ("http://alicom-fc-record-biz.cn-hangzhou.oss.aliyuncs.com:8080/x", Some(PublicAddress)),
            ("https://A.AliyunCS.COM/x", Some(PublicAddress)),
            ("https://a.aliyuncs.com./x", Some(PublicAddress)),
            ("https://aliyuncs.com/x", None),
            ("https://aliyuncs.com./x", None),
            ("https://.aliyuncs.com/x", None),
            ("https://evilaliyuncs.com/x", None),
            ("https://aliyuncs.com.evil.example/x", None),
            ("https://a.aliyuncs.com.evil.example/x", None),
            ("https://evil.example/a.aliyuncs.com", None),
            ("https://a.aliyuncs.com@evil.example/x", None),
            ("https://media.example.com/x", Some(PublicAddress)),
            ("https://media.example.com.:8443/x", Some(PublicAddress)),
            ("https://a.media.example.com/x", None),
            ("http://127.0.0.1:4000/x", Some(AnyAddress)),
            ("http://2130706433:4000/x", Some(AnyAddress)),
            ("http://127.0.0.1:4001/x", None),
            ("http://127.0.0.1/x", None),
            ("http://127.0.0.2:4000/x", None),
            ("http://localhost:4000/x", None),
            ("http://[::1]:4000/x", Some(AnyAddress)),
            ("http://[0:0:0:0:0:0:0:1]:4000/x", Some(AnyAddress)),
            ("http://[::1]/x", None),
            ("https://rec.internal/x", Some(AnyAddress)),
            ("https://REC.internal.:443/x", Some(AnyAddress)),
            ("http://rec.internal/x", None),
            ("http://8.8.8.8:99/x", Some(PublicAddress)),
            ("http://[2606:4700::1]/x", Some(PublicAddress)),
            ("https://a.例子.cn/x", Some(PublicAddress)),
            ("https://a.xn--fsqu00a.cn/x", Some(PublicAddress)),
            ("data:text/plain,x", None),
        ] {
            assert_eq!(hosts.allow(&Url::parse(url).unwrap()).ok(), expected, "{url}");
        }
    }

    #[test]
    fn the_strongest_entry_counts_wherever_it_stands() {
        let url = Url::parse("https://rec.corp.internal/").unwrap();
        for setting in [
            "*.corp.internal,rec.corp.internal,rec.corp.internal:443",
            "rec.corp.internal:443,rec.corp.internal,*.corp.internal",
        ] {
            assert_eq!(setting.parse::<AllowedHosts>().unwrap().allow(&url), Ok(Permit::AnyAddress));
        }
    }

    #[test]
    fn a_list_that_names_no_host_is_none() {
        for setting in [
            "",
            ",",
            " , ",
            "a.example,,b.example",
            ",a.example",
            ".",
            "a..b",
            ".a.example",
            "*.a..b",
            "169.254.169.254:80",
        ] {
            assert!(setting.parse::<AllowedHosts>().is_err(), "{setting:?}");
        }
        let hosts: AllowedHosts = "b.example".parse().unwrap();
        let refused = hosts.allow(&Url::parse("https://a.example/secret?token=x").unwrap()).unwrap_err();
        assert_eq!(refused.to_string(), "the host a.example is not allowed");
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for entry in [
            "*",
            "*.",
            "*.*.example.com",
            "*.com",
            "*.localhost.",
            "*.COM.CN",
            "*.co.uk.",
            "a.*.example.com",
            "*example.com",
            "*.example.com:443",
            "*.10.0.0.1",
            "https://a.example",
            "a.example/x",
            "user@a.example",
            "a.example:",
            "a.example:0",
            "a.example:65536",
            "a.example:x",
            "a b.example",
            "[::1",
            "::1",
            "a.example:-1",
        ] {
            let error = format!("good.example,{entry}").parse::<AllowedHosts>().unwrap_err();
            assert_eq!(error.entry, entry, "{error}");
        }
    }

    #[test]
    fn the_list_reads_back() {
        let hosts: AllowedHosts = SETTING.parse().unwrap();
        assert_eq!(hosts.to_string().parse::<AllowedHosts>().unwrap(), hosts);
    }
}
