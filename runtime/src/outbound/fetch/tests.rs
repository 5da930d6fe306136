//! Against servers on loopback that are written by hand, since most of what they do no HTTP library would.
//!
//! In these tests `127.0.0.2` and `127.0.0.4` count as public; every other loopback address is as forbidden as it is.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::loopback::{Server, Step, send};
use super::*;

const SECRET: &str = "c2lnbmF0dXJl";

fn loopback_stands_for_public(address: IpAddr) -> Option<Refusal> {
    match address.to_string().as_str() {
        "127.0.0.2" | "127.0.0.4" => None,
        _ => address::refusal(address),
    }
}

fn ok(body: &str) -> Vec<Step> {
    vec![send(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: Audio/X-WAV; x=y\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))]
}

fn redirect_to(location: impl std::fmt::Display) -> Vec<Step> {
    vec![send(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))]
}

/// A server that must never be reached, at the port of another.
async fn forbidden(address: &str, port: u16) -> Server {
    Server::start(&format!("{address}:{port}"), |_| ok("secret")).await
}

/// Answers each name from a script; the last answer stays.
#[derive(Clone, Debug, Default)]
struct Names {
    answers: Arc<Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers.iter().map(parse).collect());
        self
    }
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        DnsFuture::ready(match answers.get_mut(name) {
            Some(script) if script.len() > 1 => Ok(script.pop_front().unwrap()),
            Some(script) => Ok(script[0].clone()),
            None => Err(ResolveDnsError::new("no such name")),
        })
    }
}

/// `media.test` is at `127.0.0.2`.
fn names() -> Names {
    Names::default().with("media.test", &[&["127.0.0.2"]])
}

fn settings(hosts: &str) -> FetchSettings {
    FetchSettings {
        connect_timeout: Duration::from_secs(30),
        response_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(30),
        // Longer than `read` waits: a test that relies on another bound notices when that is gone.
        total_timeout: Duration::from_secs(60),
        max_bytes: 1024 * 1024,
        ..FetchSettings::new(hosts.parse().unwrap())
    }
}

fn fetcher(settings: FetchSettings, names: Names) -> Fetcher {
    Fetcher::with_address_check(settings, names, loopback_stands_for_public)
}

/// Reads everything, within bounds of its own.
async fn read(fetcher: &Fetcher, url: &str) -> Result<(u16, Vec<u8>), FetchError> {
    let reading = async {
        let mut fetched = fetcher.get(url).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = fetched.body.next_chunk().await {
            bytes.extend_from_slice(&chunk?);
        }
        assert!(fetched.body.next_chunk().await.is_none());
        Ok((fetched.status, bytes))
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("a fetch that is bounded")
}

/// Fetches what must fail, and checks that nothing which is told of the failure gives the URL away.
async fn failure(fetcher: &Fetcher, url: &str) -> FetchError {
    let error = read(fetcher, url).await.expect_err(url);
    let mut told = format!("{error}\n{error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        told += &format!("\n{error}\n{error:?}");
        cause = error.source();
    }
    assert!(!told.contains(SECRET), "{told}");
    assert!(!told.contains("/recording"), "{told}");
    error
}

fn recording(authority: impl std::fmt::Display) -> String {
    format!("http://{authority}/recording.wav?Signature={SECRET}")
}

#[tokio::test]
async fn a_recording_comes_whole_with_what_its_head_says() {
    let server = Server::start("127.0.0.2:0", |_| ok("RIFF....WAVE")).await;
    let fetcher = fetcher(settings("*.test"), Names::default().with("media.test", &[&["127.0.0.2"]]));
    let url = format!(
        "  http://media.test:{}/a%2Fb^c/r.wav?x=1&amp;Signature=s%3D\\u0026z=2#part\n",
        server.port()
    );

    let mut fetched = fetcher.get(&url).await.unwrap();
    assert_eq!(fetched.status, 200);
    assert_eq!(fetched.media_type.as_deref(), Some("audio/x-wav"));
    assert_eq!(fetched.content_length, Some(12));
    assert_eq!(fetched.body.next_chunk().await.unwrap().unwrap(), "RIFF....WAVE");
    assert!(fetched.body.next_chunk().await.is_none());

    let request = server.requests()[0].to_lowercase();
    assert!(request.starts_with("get /a%2fb^c/r.wav?x=1&signature=s%3d&z=2 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: media.test:{}\r\n", server.port())), "{request}");
    assert!(request.contains("\r\naccept-encoding: identity\r\n"), "{request}");
    for unwanted in ["cookie:", "authorization:", "referer:"] {
        assert!(!request.contains(unwanted), "{request}");
    }
}

#[tokio::test]
async fn what_is_not_a_recording_is_handed_on_with_its_status_and_type() {
    let server = Server::start("127.0.0.2:0", |path| match path {
        "/gone" => vec![send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")],
        "/nowhere" => vec![send("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")],
        _ => vec![send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 8\r\n\r\n<Error/>",
        )],
    })
    .await;
    let fetcher = fetcher(settings("*.test"), names());
    let at = |path: &str| format!("http://media.test:{}{path}", server.port());

    assert_eq!(fetcher.get(&at("/xml")).await.unwrap().media_type.as_deref(), Some("application/xml"));
    assert_eq!(read(&fetcher, &at("/xml")).await.unwrap(), (200, b"<Error/>".to_vec()));
    assert_eq!(read(&fetcher, &at("/gone")).await.unwrap(), (404, b"gone".to_vec()));
    assert_eq!(read(&fetcher, &at("/nowhere")).await.unwrap(), (302, Vec::new()));
    assert_eq!(fetcher.get(&at("/gone")).await.unwrap().media_type, None);
}

#[tokio::test]
async fn what_no_request_is_made_of() {
    let fetcher = fetcher(settings("*.test,8.8.8.8"), names());
    for (url, tag, prospect) in [
        ("", "not_a_url", Prospect::Never),
        ("recording pending", "not_a_url", Prospect::Never),
        ("/recording.wav?c2lnbmF0dXJl", "not_a_url", Prospect::Never),
        ("http://[::1/recording?c2lnbmF0dXJl", "not_a_url", Prospect::Never),
        ("http://media.test:99999/recording?c2lnbmF0dXJl", "not_a_url", Prospect::Never),
        ("ftp://media.test/recording?c2lnbmF0dXJl", "scheme", Prospect::Never),
        ("file:///recording?c2lnbmF0dXJl", "scheme", Prospect::Never),
        ("data:audio/wav;base64,c2lnbmF0dXJl", "scheme", Prospect::Never),
        ("http://user@media.test/recording", "credentials_in_url", Prospect::Never),
        ("http://user:c2lnbmF0dXJl@media.test/recording", "credentials_in_url", Prospect::Never),
        ("http://:c2lnbmF0dXJl@media.test/recording", "credentials_in_url", Prospect::Never),
        ("http://other.example/recording?c2lnbmF0dXJl", "host_not_allowed", Prospect::OnceAllowed),
        ("http://127.0.0.1/recording?c2lnbmF0dXJl", "host_not_allowed", Prospect::OnceAllowed),
        ("http://unknown.test/recording?c2lnbmF0dXJl", "dns", Prospect::Later),
    ] {
        let error = failure(&fetcher, url).await;
        assert_eq!((error.tag(), error.prospect()), (tag, prospect), "{url}: {error}");
    }
}

/// The rest of the prospects; those above are seen on the wire.
#[test]
fn only_what_no_retry_can_mend_is_permanent() {
    let host = || "a.example".to_owned();
    let source = || BoxError::from("cause");
    for (error, permanent) in [
        (FetchError::AddressRefused { host: host(), refusal: Refusal::Private }, false),
        (FetchError::TooLarge { host: host(), limit_bytes: 1 }, true),
        (FetchError::TooManyRedirects { host: host(), limit: 3 }, false),
        (FetchError::Redirect { host: host(), source: source() }, false),
        (FetchError::Connect { host: host(), source: source() }, false),
        (FetchError::Tls { host: host(), source: source() }, false),
        (FetchError::Timeout { host: host(), waiting_for: WaitingFor::End }, false),
        (FetchError::Idle { host: host() }, false),
        (
            FetchError::Truncated { host: host(), received_bytes: 1, expected_bytes: None, source: None },
            false,
        ),
        (FetchError::Encoded { host: host() }, false),
        (FetchError::Transport { host: host(), source: source() }, false),
    ] {
        assert_eq!(error.is_permanent(), permanent, "{error}");
    }
}

#[tokio::test]
async fn an_address_written_out_is_refused_before_anything_is_sent() {
    let forbidden = forbidden("127.0.0.1", 0).await;
    let port = forbidden.port();
    // All of them are allowed as hosts, and refused as addresses.
    let fetcher = fetcher(
        settings("127.0.0.1,[::1],[::ffff:7f00:1],10.0.0.1,169.254.169.254,100.100.100.200"),
        names(),
    );
    for authority in [
        format!("127.0.0.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("0x7f.1:{port}"),
        format!("0177.0.0.01:{port}"),
        format!("127.1:{port}"),
        format!("127.0.0.1.:{port}"),
        format!("%31%32%37.0.0.1:{port}"),
        format!("\u{ff11}\u{ff12}\u{ff17}.0.0.1:{port}"),
        format!("[::1]:{port}"),
        format!("[0:0::0:1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        "10.0.0.1".to_owned(),
        "169.254.169.254".to_owned(),
        "100.100.100.200".to_owned(),
    ] {
        let error = failure(&fetcher, &recording(&authority)).await;
        assert_eq!(error.tag(), "address_refused", "{authority}: {error}");
        assert_eq!(error.prospect(), Prospect::OnceAllowed, "{authority}");
    }
    assert_eq!(forbidden.connections(), 0);
}

#[tokio::test]
async fn one_forbidden_address_of_a_name_refuses_them_all() {
    let public = Server::start("127.0.0.2:0", |_| ok("public")).await;
    let forbidden = forbidden("127.0.0.3", public.port()).await;
    for addresses in [
        &["127.0.0.3"][..],
        &["127.0.0.2", "127.0.0.3"],
        &["127.0.0.3", "127.0.0.2"],
        &["127.0.0.2", "127.0.0.4", "::ffff:127.0.0.3"],
        &["127.0.0.2", "::1"],
        &["127.0.0.2", "64:ff9b::10.0.0.1"],
        &["127.0.0.2", "2002:7f00:3::1"],
    ] {
        let fetcher = fetcher(settings("*.test"), Names::default().with("media.test", &[addresses]));
        let error = failure(&fetcher, &recording(format!("media.test:{}", public.port()))).await;
        assert_eq!(error.tag(), "address_refused", "{addresses:?}: {error}");
    }
    assert_eq!((public.connections(), forbidden.connections()), (0, 0));
}

#[tokio::test]
async fn a_name_that_is_pointed_elsewhere_between_two_questions_reaches_nothing_private() {
    let public = Server::start("127.0.0.2:0", |_| {
        vec![send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\npublic"), Step::Close]
    })
    .await;
    let forbidden = forbidden("127.0.0.3", public.port()).await;
    let names = Names::default().with("media.test", &[&["127.0.0.2"], &["127.0.0.3"]]);
    let fetcher = fetcher(settings("*.test"), names.clone());
    let url = recording(format!("media.test:{}", public.port()));

    // The connection is made from the answer that was checked: nobody asks a second time.
    assert_eq!(read(&fetcher, &url).await.unwrap().1, b"public");
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert_eq!(failure(&fetcher, &url).await.tag(), "address_refused");
    assert_eq!(names.asked.load(Ordering::SeqCst), 2);
    assert_eq!((public.connections(), forbidden.connections()), (1, 0));
}

#[tokio::test]
async fn a_kept_connection_serves_its_own_name_only() {
    let public = Server::start("127.0.0.2:0", |_| ok("public")).await;
    let forbidden = forbidden("127.0.0.3", public.port()).await;
    let names = Names::default()
        .with("media.test", &[&["127.0.0.2"], &["127.0.0.3"]])
        .with("other.test", &[&["127.0.0.3"]]);
    let fetcher = fetcher(settings("*.test"), names);
    let port = public.port();

    assert_eq!(read(&fetcher, &recording(format!("media.test:{port}"))).await.unwrap().1, b"public");
    assert_eq!(failure(&fetcher, &recording(format!("other.test:{port}"))).await.tag(), "address_refused");
    // Pointed elsewhere by now, but the connection to the address that was checked still stands.
    assert_eq!(read(&fetcher, &recording(format!("media.test:{port}"))).await.unwrap().1, b"public");
    assert_eq!((public.connections(), forbidden.connections()), (1, 0));
}

#[tokio::test]
async fn the_operator_can_allow_a_private_address_by_host_and_port() {
    let recorder = Server::start("127.0.0.1:0", |path| match path {
        "/elsewhere" => redirect_to("http://inside.test/"),
        _ => ok("private"),
    })
    .await;
    let port = recorder.port();
    let neighbour = Server::start("127.0.0.1:0", |_| ok("neighbour")).await;
    let names = names().with("recorder.test", &[&["127.0.0.1"]]).with("inside.test", &[&["127.0.0.1"]]);
    let hosts = format!("*.test,127.0.0.1,127.0.0.1:{port},recorder.test:{port}");
    let fetcher = Fetcher::new(settings(&hosts), names);

    assert_eq!(read(&fetcher, &recording(format!("127.0.0.1:{port}"))).await.unwrap().1, b"private");
    assert_eq!(read(&fetcher, &recording(format!("recorder.test:{port}"))).await.unwrap().1, b"private");
    // Not for another port, not for another name of the same place, and not across a redirect.
    for authority in [
        format!("127.0.0.1:{}", neighbour.port()),
        format!("recorder.test:{}", neighbour.port()),
        format!("inside.test:{port}"),
    ] {
        assert_eq!(failure(&fetcher, &recording(&authority)).await.tag(), "address_refused", "{authority}");
    }
    assert_eq!(
        failure(&fetcher, &format!("http://127.0.0.1:{port}/elsewhere")).await.tag(),
        "address_refused"
    );
    assert_eq!(neighbour.connections(), 0);
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_no_more() {
    // Each hop writes its location in another way: relative, relative with a query, without a scheme.
    let server = Server::start("127.0.0.2:0", |path| match path {
        "/a/4" => redirect_to("3"),
        "/a/3" => redirect_to("../2?x=y"),
        "/2?x=y" => redirect_to("//also.test:PORT/1"),
        "/1" => redirect_to("/0"),
        "/0" => ok("arrived"),
        other => panic!("{other}"),
    })
    .await;
    let fetcher = fetcher(settings("*.test"), names().with("also.test", &[&["127.0.0.2"]]));
    let at = |path: &str| format!("http://media.test:{}{path}", server.port());

    assert_eq!(read(&fetcher, &at("/a/3")).await.unwrap().1, b"arrived");
    let error = failure(&fetcher, &at("/a/4")).await;
    assert_eq!(error.to_string(), "redirected more than 3 times, at last to also.test");
    assert_eq!(server.requests().len(), 4 + 4);
}

#[tokio::test]
async fn a_redirect_is_checked_like_any_url() {
    let forbidden = forbidden("127.0.0.3", 0).await;
    let port = forbidden.port();
    for (location, tag) in [
        (format!("http://127.0.0.3:{port}/recording?{SECRET}"), "address_refused"),
        (format!("http://2130706435:{port}/recording"), "address_refused"),
        (format!("http://inside.test:{port}/recording"), "address_refused"),
        (format!("//inside.test:{port}/recording"), "address_refused"),
        (format!("http://[::ffff:127.0.0.3]:{port}/recording"), "address_refused"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "address_refused"),
        (format!("http://other.example:{port}/recording?{SECRET}"), "host_not_allowed"),
        (format!("http://user:{SECRET}@inside.test:{port}/"), "credentials_in_url"),
        ("file:///etc/passwd".to_owned(), "scheme"),
        ("gopher://inside.test/".to_owned(), "scheme"),
        (format!("http://[/recording?{SECRET}"), "bad_redirect"),
    ] {
        let public = Server::start("127.0.0.2:0", {
            let location = location.clone();
            move |_| redirect_to(&location)
        })
        .await;
        let names = names().with("inside.test", &[&["127.0.0.3"]]);
        let hosts = "*.test,127.0.0.3,[::ffff:127.0.0.3],169.254.169.254";
        let error =
            failure(&fetcher(settings(hosts), names), &recording(format!("media.test:{}", public.port())))
                .await;
        assert_eq!(error.tag(), tag, "{location}: {error}");
        assert_eq!(public.connections(), 1);
    }
    assert_eq!(forbidden.connections(), 0);
}

#[tokio::test]
async fn a_redirect_may_lead_to_another_allowed_host() {
    let storage = Server::start("127.0.0.4:0", |_| ok("stored")).await;
    let location = format!("http://storage.test:{}/recording", storage.port());
    let server = Server::start("127.0.0.2:0", move |_| redirect_to(&location)).await;
    let fetcher = fetcher(settings("*.test"), names().with("storage.test", &[&["127.0.0.4"]]));
    assert_eq!(
        read(&fetcher, &recording(format!("media.test:{}", server.port()))).await.unwrap().1,
        b"stored"
    );
}

#[tokio::test]
async fn a_body_that_is_not_whole_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (shows, steps, received, expected) in [
        (
            "fewer bytes than announced",
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"), Step::Close],
            5,
            Some(10),
        ),
        (
            "none of those announced",
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), Step::Close],
            0,
            Some(10),
        ),
        ("no last chunk", vec![send(format!("{head}5\r\n12345\r\n")), Step::Close], 5, None),
        ("within a chunk", vec![send(format!("{head}5\r\n12345\r\n9\r\n1234")), Step::Close], 9, None),
        ("a chunk without a size", vec![send(format!("{head}5\r\n12345\r\nxyz\r\n")), Step::Close], 5, None),
    ] {
        let server = Server::start("127.0.0.2:0", move |_| steps.clone()).await;
        let error = failure(
            &fetcher(settings("*.test"), names()),
            &recording(format!("media.test:{}", server.port())),
        )
        .await;
        match error {
            FetchError::Truncated { received_bytes, expected_bytes, .. } => {
                assert_eq!((received_bytes, expected_bytes), (received, expected), "{shows}");
            }
            other => panic!("{shows}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_body_in_chunks_or_until_the_connection_closes_is_whole() {
    for steps in [
        vec![
            send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"),
            send("4;x=y\r\n6789\r\n0\r\nTrailer: x\r\n\r\n"),
        ],
        vec![
            send("HTTP/1.0 200 OK\r\n\r\n12345"),
            Step::Pause(Duration::from_millis(10)),
            send("6789"),
            Step::Close,
        ],
        // A length beside chunks is void.
        vec![send(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
        )],
    ] {
        let server = Server::start("127.0.0.2:0", move |_| steps.clone()).await;
        let fetcher = fetcher(settings("*.test"), names());
        let url = recording(format!("media.test:{}", server.port()));
        assert_eq!(fetcher.get(&url).await.unwrap().content_length, None);
        assert_eq!(read(&fetcher, &url).await.unwrap().1, b"123456789");
    }
}

#[tokio::test]
async fn bytes_beyond_the_announced_length_are_never_taken_for_the_next_answer() {
    let server = Server::start("127.0.0.2:0", |_| {
        vec![send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")]
    })
    .await;
    let fetcher = fetcher(settings("*.test"), names());
    for _ in 0..3 {
        assert_eq!(
            read(&fetcher, &recording(format!("media.test:{}", server.port()))).await.unwrap().1,
            b"12345"
        );
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_failed_connection() {
    for steps in [
        vec![send("hello\r\n\r\n"), Step::Close],
        vec![Step::Close],
        vec![send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456"), Step::Close],
        vec![send("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), Step::Close],
    ] {
        let server = Server::start("127.0.0.2:0", move |_| steps.clone()).await;
        let error = failure(
            &fetcher(settings("*.test"), names()),
            &recording(format!("media.test:{}", server.port())),
        )
        .await;
        assert_eq!(error.tag(), "transport", "{error}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_early_or_on_the_way() {
    let limit = 100_000;
    let small = || FetchSettings { max_bytes: limit, ..settings("*.test") };
    let exactly = "x".repeat(limit as usize);
    for (shows, steps, tag) in [
        (
            "announced",
            vec![send("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"), Step::Hang],
            Some("too_large"),
        ),
        ("endless", vec![send("HTTP/1.1 200 OK\r\n\r\n"), Step::Endless], Some("too_large")),
        ("exactly as many", ok(&exactly), None),
    ] {
        let server = Server::start("127.0.0.2:0", move |_| steps.clone()).await;
        let read =
            read(&fetcher(small(), names()), &recording(format!("media.test:{}", server.port()))).await;
        assert_eq!(read.err().map(|error| error.tag()), tag, "{shows}");
    }
}

#[tokio::test]
async fn every_wait_is_bounded() {
    let short = Duration::from_millis(150);
    let drip = [send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")]
        .into_iter()
        .chain((0..1000).flat_map(|_| [send("x"), Step::Pause(Duration::from_millis(20))]))
        .collect::<Vec<_>>();
    let pause = vec![send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxxx"), Step::Hang];
    let half_a_head = vec![send("HTTP/1.1 200 OK\r\nContent-Le"), Step::Hang];
    let base = || settings("*.test");
    for (shows, steps, settings, expected) in [
        (
            "no response",
            vec![Step::Hang],
            FetchSettings { response_timeout: short, ..base() },
            "media.test took too long (response)",
        ),
        (
            "half a head",
            half_a_head,
            FetchSettings { response_timeout: short, ..base() },
            "media.test took too long (response)",
        ),
        (
            "no response, and no time",
            vec![Step::Hang],
            FetchSettings { total_timeout: short, ..base() },
            "media.test took too long (end)",
        ),
        (
            "a pause",
            pause.clone(),
            FetchSettings { idle_timeout: short, ..base() },
            "media.test stopped sending",
        ),
        (
            "a pause, and no time",
            pause,
            FetchSettings { total_timeout: short, ..base() },
            "media.test took too long (end)",
        ),
        (
            "a slow drip",
            drip,
            FetchSettings { idle_timeout: short * 4, total_timeout: short, ..base() },
            "media.test took too long (end)",
        ),
    ] {
        let server = Server::start("127.0.0.2:0", move |_| steps.clone()).await;
        let error =
            failure(&fetcher(settings, names()), &recording(format!("media.test:{}", server.port()))).await;
        assert_eq!(error.to_string(), expected, "{shows}");
    }
}

#[tokio::test]
async fn a_resolver_that_never_answers_is_bounded() {
    #[derive(Debug)]
    struct Silent;
    impl ResolveDns for Silent {
        fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
            DnsFuture::new(std::future::pending())
        }
    }
    let short = Duration::from_millis(100);
    let fetcher = Fetcher::new(FetchSettings { connect_timeout: short, ..settings("*.test") }, Silent);
    assert_eq!(
        failure(&fetcher, &recording("media.test")).await.to_string(),
        "media.test took too long (connection)"
    );
    let fetcher = Fetcher::new(FetchSettings { response_timeout: short, ..settings("*.test") }, Silent);
    assert_eq!(
        failure(&fetcher, &recording("media.test")).await.to_string(),
        "media.test took too long (connection)"
    );
}

#[tokio::test]
async fn a_closed_port_and_a_server_without_tls_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.2:0").await.unwrap().local_addr().unwrap().port();
    let fetcher = fetcher(settings("*.test"), names());
    for scheme in ["http", "https"] {
        let error = failure(&fetcher, &format!("{scheme}://media.test:{closed}/recording?{SECRET}")).await;
        assert_eq!(error.tag(), "connect", "{error}");
    }
    // Bytes that are no TLS, and a connection that is closed on the first flight.
    for greeting in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(greeting).await;
        });
        let error = failure(&fetcher, &format!("https://media.test:{port}/recording?{SECRET}")).await;
        assert_eq!(error.tag(), "tls", "{error}");
    }
}

#[tokio::test]
async fn a_compressed_body_is_not_taken_for_the_recording() {
    for (encoding, expected) in [("gzip", Some("encoded")), ("Identity", None), ("", None)] {
        let server = Server::start("127.0.0.2:0", move |_| {
            vec![send(format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 1\r\n\r\nx"
            ))]
        })
        .await;
        let read =
            read(&fetcher(settings("*.test"), names()), &recording(format!("media.test:{}", server.port())))
                .await;
        assert_eq!(read.err().map(|error| error.tag()), expected, "{encoding:?}");
    }
}

#[tokio::test]
async fn a_file_name_in_another_encoding_does_no_harm() {
    let mut head = b"HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=".to_vec();
    head.extend_from_slice(&[0xc2, 0xbc, 0xd2, 0xf4]); // GBK
    head.extend_from_slice(b"\r\nContent-Length: 1\r\n\r\nx");
    let server = Server::start("127.0.0.2:0", move |_| vec![Step::Send(head.clone())]).await;
    let fetcher = fetcher(settings("*.test"), names());
    assert_eq!(read(&fetcher, &recording(format!("media.test:{}", server.port()))).await.unwrap().1, b"x");
}
