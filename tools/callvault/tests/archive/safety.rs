//! URLs that a push must not get fetched.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
use platforms::{Fault, Recording as Served};
use runtime::deadline::Deadline;
use runtime::outbound::address::refusal;
use runtime::outbound::fetch::Fetcher;
use shared::model::RecordingState;
use tokio::net::TcpListener;

use crate::support::{DAY_S, HOUR_S, Names, Rig, alicom, source, within_limit};

/// A port that nobody may come to, on all of this machine's addresses.
async fn trap() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&visits);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, visits)
}

#[test]
fn nothing_is_sent_to_an_address_that_is_not_public() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let (port, visits) = trap().await;
        let literals = [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[ff02::1]",
        ];
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let public = address("1.1.1.1");
        let names = Names(vec![
            ("loopback.test", vec![address("127.0.0.1")]),
            ("loopback6.test", vec![address("::1")]),
            ("mapped.test", vec![address("::ffff:127.0.0.1")]),
            ("metadata.test", vec![address("169.254.169.254")]),
            ("one-of-two.test", vec![public, address("127.0.0.1")]),
            ("other-of-two.test", vec![address("127.0.0.1"), public]),
        ]);
        // As if an operator had allowed them all: by name it is of no use.
        rig.set("RECORDING_HOSTS", format!("*.test,{},{}", literals.join(","), rig.provider.address()));
        let named = names.0.iter().map(|(name, _)| *name);
        let mut announced: Vec<_> = literals
            .into_iter()
            .chain(named)
            .map(|host| (alicom(host), source(Some(format!("http://{host}:{port}/x.wav")), None, rig.start)))
            .collect();
        for host in ["127.0.0.1", "[::1]", "loopback.test"] {
            let name = format!("redirect to {host}");
            let fault = Fault::Redirect { to: format!("http://{host}:{port}/x.wav") };
            rig.provider.add_recording(Served::new(name.as_str()).public().fault(fault));
            announced.push((alicom(&name), source(Some(rig.provider.recording_url(&name)), None, rig.start)));
        }
        let calls: Vec<_> = announced.iter().map(|(call, _)| call.clone()).collect();
        rig.announce(announced).await;
        let archiver = rig.archiver_that_resolves(names).await;
        let deadline = Deadline::after(std::time::Duration::from_secs(60));
        let report = archive_recordings::handle(&archiver, rig.start, deadline).await.unwrap();
        assert_eq!((report.failed, report.host_not_allowed as usize), (0, calls.len()));
        for call in calls {
            let recording = rig.recording(&call).await;
            let told = recording.last_error.unwrap_or_default();
            assert_eq!(recording.state, RecordingState::Pending, "{call:?}: {told}");
            assert!(told.contains("address that is refused"), "{call:?}: {told}");
        }
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    });
}

/// A name that is looked up at one address the first time, and at another ever after.
#[derive(Clone, Debug)]
struct Rebinding {
    addresses: [IpAddr; 2],
    lookups: Arc<AtomicUsize>,
}

impl ResolveDns for Rebinding {
    fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
        let first = self.lookups.fetch_add(1, Ordering::SeqCst) == 0;
        DnsFuture::ready(Ok(vec![self.addresses[usize::from(!first)]]))
    }
}

#[test]
fn a_name_that_leads_elsewhere_the_second_time_leads_nobody_there() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let (public, private) = (rig.provider.address(), "127.0.0.2");
        let listener = TcpListener::bind((private, public.port())).await.unwrap();
        let visits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&visits);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        rig.set("RECORDING_HOSTS", "rebinding.test");
        let names = Rebinding {
            addresses: [public.ip(), private.parse().unwrap()],
            lookups: Arc::new(AtomicUsize::new(0)),
        };
        // The simulator's address stands for a public one.
        let check =
            |address: IpAddr| (address.to_string() != "127.0.0.1").then(|| refusal(address)).flatten();

        for (name, state) in
            [("first.wav", RecordingState::Archived), ("second.wav", RecordingState::Pending)]
        {
            rig.provider.add_recording(Served::new(name).public());
            let url = format!("http://rebinding.test:{}/recordings/{name}", public.port());
            rig.announce(vec![(alicom(name), source(Some(url), None, rig.start))]).await;
            let names = names.clone();
            // A new one each time: it has no connection yet, and has to look the name up.
            let archiver = rig
                .archiver_that_fetches_by(|settings| Fetcher::with_address_check(settings, names, check))
                .await;
            let deadline = Deadline::after(std::time::Duration::from_secs(60));
            archive_recordings::handle(&archiver, rig.start, deadline).await.unwrap();
            let recording = rig.recording(&alicom(name)).await;
            assert_eq!(recording.state, state, "{name}: {:?}", recording.last_error);
        }
        assert_eq!(names.lookups.load(Ordering::SeqCst), 2, "what was looked up is what was connected to");
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn what_is_no_url_to_fetch_fails_without_telling_the_url() {
    within_limit(async {
        let rig = Rig::new().await;
        let host = rig.provider.address();
        let cases = [
            ("ftp", format!("ftp://{host}/canary"), "scheme ftp"),
            ("file", "file:///etc/canary".to_owned(), "scheme file"),
            ("user", format!("http://canary:secret@{host}/recordings/x.wav"), "carries credentials"),
            ("none", "canary".to_owned(), "not a URL"),
        ];
        let announced =
            cases.iter().map(|(name, url, _)| (alicom(name), source(Some(url.clone()), None, rig.start)));
        rig.announce(announced.collect()).await;
        assert_eq!(rig.run_after(0).await.failed, 4);
        for (name, _, reason) in cases {
            let recording = rig.recording(&alicom(name)).await;
            let told = recording.last_error.unwrap_or_default();
            assert!(told.contains(reason) && !told.contains("canary"), "{told}");
        }
        assert_eq!(rig.provider.total_traffic().gets, 0);
    });
}

#[test]
fn a_host_that_is_not_allowed_waits_for_the_setting_to_be_mended() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let allowed = rig.provider.address().to_string();
        rig.set("RECORDING_HOSTS", "*.example.com");
        rig.serve(vec![Served::new("waiting.wav")]).await;
        let report = rig.run_after(0).await;
        assert_eq!((report.retried, report.host_not_allowed), (1, 1));
        let recording = rig.recording(&alicom("waiting.wav")).await;
        assert_eq!(recording.state, RecordingState::Pending);
        assert_eq!(recording.last_error.as_deref(), Some("the host 127.0.0.1 is not allowed"));
        assert_eq!(rig.provider.total_traffic().gets, 0);
        rig.set("RECORDING_HOSTS", allowed);
        assert_eq!(rig.run_after(3_600).await.archived, 1);
        rig.assert_archived(&["waiting.wav".to_owned()]).await;
        assert_eq!(rig.recording(&alicom("waiting.wav")).await.last_error, None);
    });
}

/// A host of one's own network, which the operator allowed by its name at first: an address that is not public takes the port, too.
#[test]
fn a_private_host_that_was_allowed_by_its_name_alone_waits_for_the_setting_to_be_mended() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let port = rig.provider.address().port();
        let names = || Names(vec![("recorder.test", vec![rig.provider.address().ip()])]);
        for (name, expires_at) in [("waits.wav", rig.at(7 * DAY_S)), ("expires.wav", rig.at(2 * HOUR_S))] {
            rig.provider.add_recording(Served::new(name).public());
            let url = format!("http://recorder.test:{port}/recordings/{name}");
            rig.announce(vec![(alicom(name), source(Some(url), Some(expires_at), rig.start))]).await;
        }
        let names = names();
        rig.set("RECORDING_HOSTS", "recorder.test");
        let run = async |rig: &Rig, seconds| {
            let archiver = rig.archiver_that_resolves(names.clone()).await;
            let deadline = Deadline::after(std::time::Duration::from_secs(60));
            archive_recordings::handle(&archiver, rig.at(seconds), deadline).await.unwrap()
        };
        let (log, _listening) = testkit::log::listen();
        let report = run(&rig, 0).await;
        assert_eq!((report.retried, report.host_not_allowed, report.failed), (2, 2, 0));
        assert!(log.take().contains("\"HostsNotAllowed\":2"), "the alarm's metric");
        let waits = rig.recording(&alicom("waits.wav")).await;
        assert_eq!(waits.state, RecordingState::Pending);
        let told = waits.last_error.unwrap_or_default();
        assert_eq!(told, "recorder.test has an address that is refused (loopback)");
        assert_eq!(rig.provider.total_traffic().gets, 0, "nothing was sent there");

        // Past its expiry it is over, and only then.
        let report = run(&rig, 2 * HOUR_S).await;
        assert_eq!((report.expired, report.retried), (1, 1));
        assert_eq!(rig.recording(&alicom("expires.wav")).await.state, RecordingState::Expired);

        rig.set("RECORDING_HOSTS", format!("recorder.test:{port}"));
        assert_eq!(run(&rig, 3 * HOUR_S).await.archived, 1, "within the hour");
        rig.assert_archived(&["waits.wav".to_owned()]).await;
    });
}
