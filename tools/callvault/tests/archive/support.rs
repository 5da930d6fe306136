//! Stores, a provider, and archivers that work between them.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use archive_recordings::{Archiver, Report, handle};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use local_stack::dynamodb::{self, DynamoDb};
use local_stack::schema;
use platforms::{Credentials, Provider, Recording as Served, Settings};
use runtime::aws::{Account, Patience};
use runtime::clock;
use runtime::config::{Environment, StoreConfig};
use runtime::deadline::Deadline;
use runtime::outbound::fetch::{FetchSettings, Fetcher, SystemResolver};
use runtime::store::Store;
use s3_emulator::S3;
use sha2::{Digest, Sha256, Sha512};
use shared::model::{CallId, CallKey, Instant, Provider as Platform, Recording, RecordingSource};
use shared::record::item::{self, VERSION};
use shared::record::keys;
use testkit::leaks;
use tokio::net::TcpListener;

/// What signs requests to the platforms' APIs.
pub(crate) const SECRET: &str = "canary-secret";
/// One day, in seconds.
pub(crate) const DAY_S: i64 = 24 * 3_600;
/// One hour, in seconds.
pub(crate) const HOUR_S: i64 = 3_600;

/// Whether to run at the sizes that a test is about.
pub(crate) fn full() -> bool {
    std::env::var_os("CALLVAULT_FULL").is_some_and(|value| value == "1")
}

/// Runs a test, and fails it rather than wait for ever.
pub(crate) fn within_limit<F: Future<Output = ()>>(test: F) {
    let limit = Duration::from_secs(if full() { 1_200 } else { 600 });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(limit, test).await.expect("the test hangs") });
}

/// The stores, a provider, and the settings of archivers between them.
pub(crate) struct Rig {
    /// Ends with the rig.
    _dynamodb: DynamoDb,
    pub(crate) s3: S3,
    pub(crate) provider: Provider,
    pub(crate) store: Store,
    settings: BTreeMap<String, String>,
    /// The time at which the recordings were announced.
    pub(crate) start: Instant,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        leaks::watch();
        let key = Credentials { id: "canary-key".to_owned(), secret: SECRET.to_owned() };
        let settings = Settings { alibaba: key.clone(), laaffic: key, ..Settings::default() };
        let free_port = || TcpListener::bind("127.0.0.1:0");
        let dynamodb = dynamodb::start(free_port().await.unwrap(), None).await.unwrap();
        let s3 = s3_emulator::start(free_port().await.unwrap(), None).await.unwrap();
        let provider = platforms::start(free_port().await.unwrap(), settings).unwrap();
        let settings = BTreeMap::from(
            [
                ("DYNAMODB_ENDPOINT", dynamodb.endpoint()),
                ("S3_ENDPOINT", s3.endpoint()),
                ("TABLE_NAME", "callvault".to_owned()),
                ("BUCKET_NAME", "callvault".to_owned()),
                ("LAAFFIC_ENDPOINT", provider.base_url().to_owned()),
                ("LAAFFIC_API_KEY", "canary-key".to_owned()),
                ("LAAFFIC_API_SECRET", SECRET.to_owned()),
                ("METRICS_NAMESPACE", "callvault".to_owned()),
                ("LAAFFIC_REQUESTS_PER_SECOND", "100".to_owned()),
                ("RECORDING_HOSTS", provider.address().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let look_up = |variable: &str| settings.get(variable).cloned();
        let environment = Environment::new(&look_up);
        let stores = StoreConfig::read(&environment).unwrap();
        let account = Account::of_function(&environment, &stores).unwrap();
        schema::create_table(&account, &stores).await.unwrap();
        let store = Store::new(stores, account, Patience::Nobody);
        schema::create_bucket(store.bucket()).await.unwrap();
        Self { _dynamodb: dynamodb, s3, provider, store, settings, start: clock::now() }
    }

    /// Changes a setting of the archivers to come.
    pub(crate) fn set(&mut self, variable: &str, value: impl ToString) {
        self.settings.insert(variable.to_owned(), value.to_string());
    }

    /// The archivers' settings.
    pub(crate) fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    pub(crate) async fn archiver(&self) -> Archiver {
        self.archiver_that_resolves(SystemResolver).await
    }

    pub(crate) async fn archiver_that_fetches_by(
        &self,
        fetcher: impl FnOnce(FetchSettings) -> Fetcher,
    ) -> Archiver {
        let look_up = |variable: &str| self.settings.get(variable).cloned();
        Archiver::with_fetcher(&Environment::new(&look_up), fetcher).await.unwrap()
    }

    pub(crate) async fn archiver_that_resolves(&self, resolver: impl ResolveDns + 'static) -> Archiver {
        let look_up = |variable: &str| self.settings.get(variable).cloned();
        Archiver::new(&Environment::new(&look_up), resolver).await.unwrap()
    }

    /// Runs an archiver so many seconds after the recordings were announced.
    pub(crate) async fn run_after(&self, seconds: i64) -> Report {
        let archiver = self.archiver().await;
        let deadline = Deadline::after(Duration::from_secs(900));
        let report = handle(&archiver, self.at(seconds), deadline).await.unwrap();
        leaks::check(&serde_json::to_string(&report).unwrap());
        report
    }

    /// So many seconds after the recordings were announced.
    pub(crate) fn at(&self, seconds: i64) -> Instant {
        self.start.plus_seconds(seconds)
    }

    /// Has the provider serve a recording, signs a URL of it that is good for eight days, and announces it as good for seven.
    pub(crate) async fn serve(&self, recordings: Vec<Served>) {
        let good_until = Timestamp::now() + SignedDuration::from_hours(8 * 24);
        let announced = recordings.into_iter().map(|recording| {
            let name = recording.name().to_owned();
            let url = self.provider.signed_url(&name, good_until);
            self.provider.add_recording(recording);
            (alicom(&name), source(Some(url), Some(self.at(7 * DAY_S)), self.start))
        });
        self.announce(announced.collect()).await;
    }

    /// Announces recordings, as a push would.
    pub(crate) async fn announce(&self, recordings: Vec<(CallKey, RecordingSource)>) {
        self.keep(
            recordings.into_iter().map(|(call, source)| (call, Recording::new(source, self.start))).collect(),
        )
        .await;
    }

    /// Stores recordings as they are.
    pub(crate) async fn keep(&self, recordings: Vec<(CallKey, Recording)>) {
        let items = recordings.into_iter().map(|(call, recording)| {
            let mut item = item::recording_item(&call, recording);
            item.insert(VERSION, 1);
            item
        });
        let items: Vec<_> = items.collect();
        for batch in items.chunks(25) {
            self.store.table().put_batch(batch.to_vec()).await.unwrap();
        }
    }

    /// A recording as it is stored.
    pub(crate) async fn recording(&self, call: &CallKey) -> Recording {
        let item =
            self.store.table().get(&keys::call_pk(call), &keys::recording_sk("main")).await.unwrap().unwrap();
        let due = match item["state"].as_str().unwrap() {
            "pending" => Some("archive#"),
            "expired" | "failed" => Some("lost#"),
            _ => None,
        };
        let stands = item.get("due").map(|due| due.as_str().unwrap().trim_end_matches(char::is_numeric));
        assert_eq!(stands, due, "only what waits and what was lost is in the index");
        item::typed(item).unwrap()
    }

    /// The recording, archived, and the bytes of its object, which are what the item says of them.
    pub(crate) async fn archived(&self, call: &CallKey) -> (Recording, Vec<u8>) {
        let recording = self.recording(call).await;
        let key = recording.object_key.as_deref().unwrap_or_else(|| panic!("not archived: {recording:?}"));
        assert_eq!(recording.state.as_str(), "archived");
        assert!(recording.lease_owner.is_none() && recording.next_attempt_at.is_none());
        let bytes = self.store.bucket().get(key).await.unwrap();
        assert_eq!(recording.bytes, Some(bytes.len() as u64));
        assert_eq!(recording.sha256, Some(hex::encode(Sha256::digest(&bytes))));
        assert_eq!(recording.sha512, Some(hex::encode(Sha512::digest(&bytes))));
        (recording, bytes)
    }

    /// Checks that recordings of the provider's, announced by [`Rig::serve`], are archived bit for bit.
    pub(crate) async fn assert_archived(&self, names: &[String]) {
        for some in names.chunks(16) {
            join_all(some.iter().map(async |name| {
                let (recording, _) = self.archived(&alicom(name)).await;
                assert_eq!(recording.sha256, self.provider.sha256_of(name), "{name}");
            }))
            .await;
        }
    }

    /// The keys of all objects under `recordings/`, and their sizes.
    pub(crate) async fn objects(&self) -> Vec<(String, u64)> {
        let bucket = self.store.bucket();
        let list = bucket.client.list_objects_v2().bucket(&bucket.name).prefix("recordings/");
        let mut pages = list.into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            objects.extend(
                page.unwrap()
                    .contents()
                    .iter()
                    .map(|object| (object.key().unwrap().to_owned(), object.size().unwrap().unsigned_abs())),
            );
        }
        objects
    }

    /// How many versions there are of all objects under `recordings/`.
    pub(crate) async fn versions(&self) -> usize {
        let bucket = self.store.bucket();
        let list = bucket.client.list_object_versions().bucket(&bucket.name).prefix("recordings/");
        let (mut versions, mut marker) = (0, (None, None));
        loop {
            let page =
                list.clone().set_key_marker(marker.0).set_version_id_marker(marker.1).send().await.unwrap();
            versions += page.versions().len();
            if page.is_truncated() != Some(true) {
                return versions;
            }
            marker = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    /// How many multipart uploads are unfinished.
    pub(crate) async fn unfinished_uploads(&self) -> usize {
        let bucket = self.store.bucket();
        let listed = bucket.client.list_multipart_uploads().bucket(&bucket.name).send().await.unwrap();
        listed.uploads().len()
    }
}

/// A call of Alibaba's.
pub(crate) fn alicom(id: &str) -> CallKey {
    call(Platform::Alicom, id)
}

pub(crate) fn call(provider: Platform, id: &str) -> CallKey {
    CallKey { provider, call_id: CallId::new(id.to_owned()).unwrap() }
}

pub(crate) fn source(url: Option<String>, expires_at: Option<Instant>, call_at: Instant) -> RecordingSource {
    RecordingSource { slot: "main".to_owned(), url, id: None, expires_at, call_at }
}

/// A resolver that knows some names.
#[derive(Clone, Debug)]
pub(crate) struct Names(pub(crate) Vec<(&'static str, Vec<IpAddr>)>);

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let found = self.0.iter().find(|(known, _)| *known == name).map(|(_, addresses)| addresses.clone());
        DnsFuture::ready(found.ok_or_else(|| ResolveDnsError::new("no such name")))
    }
}
