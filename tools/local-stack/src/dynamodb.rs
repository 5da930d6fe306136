//! The embedded DynamoDB: [`dynoxide`] behind a socket of ours, so that the official SDK and the AWS CLI find a real endpoint.
//!
//! Any credentials do. An item is on disk before its write is acknowledged. Its streams are left alone: with one, every write gets slower than
//! the last. What changes is taken by triggers of ours, in the write's own transaction: see the module `stream`.
//!
//! The engine runs a request to its end on the thread that polls it, waiting for the one database lock if it must. It
//! therefore lives on a runtime of its own, where that can hold up nobody but other requests to it.
//!
//! Where the database is a file it is opened twice, each time with a socket of its own: whoever reads at the second one waits for no write, and
//! no push waits for a reader, as in AWS.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use dynoxide::Database;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio::time::{self, MissedTickBehavior};

/// The database's name inside the data directory.
const DATABASE_FILE: &str = "dynamodb.sqlite";
/// How often expired items are removed. AWS promises a few days; a local user who waits for it wants to see it.
const TTL_SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How often it is looked whether the database's file is still there.
const FILE_WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// How long running requests may take to finish once [`DynamoDb::stop`] was called.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// Requests to a socket take turns at its lock; a second thread parses and answers while the first holds it.
const WORKER_THREADS: usize = 2;

/// Why the embedded DynamoDB did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The data directory can't be made.
    #[error("can't create {}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The engine takes its path as text.
    #[error("{} is not a path in UTF-8", .0.display())]
    Path(PathBuf),
    /// The database can't be opened.
    #[error("can't open the embedded DynamoDB")]
    Database(#[from] dynoxide::DynoxideError),
    /// The socket or the threads it needs can't be had.
    #[error("can't serve the embedded DynamoDB")]
    Io(#[from] io::Error),
    /// The server ended with an error. The engine gives it as text only.
    #[error("the embedded DynamoDB failed: {0}")]
    Serve(String),
    /// The database's file was removed, or another put in its place.
    #[error("the embedded DynamoDB's data is gone from {}", .0.display())]
    Gone(PathBuf),
    /// Its thread is gone.
    #[error("the embedded DynamoDB's thread ended unexpectedly")]
    Lost,
}

/// Where the items are.
#[derive(Clone, Debug)]
enum Place {
    /// In memory, for the engine's own connection alone.
    Memory,
    /// In memory under a name, by which this process can connect to it again. SQLite lets it have a gigabyte at most.
    NamedMemory(String),
    /// In this file.
    File(PathBuf),
}

impl Place {
    /// What SQLite opens it by; `None` where nobody else can.
    fn name(&self) -> Result<Option<&str>, DynamoDbError> {
        match self {
            Self::Memory => Ok(None),
            Self::NamedMemory(name) => Ok(Some(name)),
            Self::File(file) => file.to_str().map(Some).ok_or_else(|| DynamoDbError::Path(file.clone())),
        }
    }
}

/// A running embedded DynamoDB. Dropping it ends it too, without waiting.
#[derive(Debug)]
pub struct DynamoDb {
    local_addr: SocketAddr,
    readers_addr: SocketAddr,
    place: Place,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Result<(), DynamoDbError>>,
}

impl DynamoDb {
    /// Returns the address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the endpoint URL to give to an SDK.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    /// Returns the address at which reading holds up no push; the same as the other where the items are in memory. All that was acknowledged
    /// at either is seen at both.
    #[must_use]
    pub fn readers_addr(&self) -> SocketAddr {
        self.readers_addr
    }

    /// What SQLite opens its database by, for another connection; `None` where it is in memory and has no name.
    pub(crate) fn database(&self) -> Option<&str> {
        self.place.name().ok().flatten()
    }

    /// Stops accepting requests and waits, three seconds at most, for running ones to be answered.
    ///
    /// # Errors
    /// When the server had failed before.
    pub async fn stop(self) -> Result<(), DynamoDbError> {
        drop(self.stop);
        self.ended.await.map_err(|_| DynamoDbError::Lost)?
    }
}

/// Serves DynamoDB on `listener`, keeping its items in a file inside `data`, or in memory without it.
///
/// # Errors
/// When the database can't be opened or the socket not be served.
pub async fn start(listener: TcpListener, data: Option<&Path>) -> Result<DynamoDb, DynamoDbError> {
    start_at(listener, data.map_or(Place::Memory, in_folder)).await
}

/// [`start`], so that changes can be taken from its database.
pub(crate) async fn start_with_stream(
    listener: TcpListener,
    data: Option<&Path>,
) -> Result<DynamoDb, DynamoDbError> {
    let memory = || Place::NamedMemory(format!("file:/{}?vfs=memdb", ::runtime::random::name()));
    start_at(listener, data.map_or_else(memory, in_folder)).await
}

fn in_folder(data: &Path) -> Place {
    Place::File(data.join(DATABASE_FILE))
}

async fn start_at(listener: TcpListener, place: Place) -> Result<DynamoDb, DynamoDbError> {
    let local_addr = listener.local_addr()?;
    let mut listeners = vec![listener.into_std()?];
    if let Place::File(_) = place {
        let readers = std::net::TcpListener::bind((local_addr.ip(), 0))?;
        readers.set_nonblocking(true)?;
        listeners.push(readers);
    }
    let readers_addr = listeners.last().map_or(Ok(local_addr), std::net::TcpListener::local_addr)?;

    let (stop, stopped) = oneshot::channel();
    let (started, start) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let opened = place.clone();
    thread::Builder::new().name("dynamodb".to_owned()).spawn(move || match open(listeners, &opened) {
        Ok(doors) => {
            let file = match opened {
                Place::File(file) => Some(file),
                Place::Memory | Place::NamedMemory(_) => None,
            };
            // Whoever started it may be gone; then `stopped` resolves at once.
            let _ = started.send(Ok(()));
            let result = serve(doors, file, stopped);
            let _ = end.send(result);
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    })?;
    start.await.map_err(|_| DynamoDbError::Lost)??;
    Ok(DynamoDb { local_addr, readers_addr, place, stop, ended })
}

/// A socket, the connection to the database that is behind it, and threads of its own: who waits for one connection's lock takes no thread from
/// the other.
struct Door {
    listener: TcpListener,
    database: Database,
    runtime: Runtime,
}

/// Opens the database once for each of the sockets.
fn open(listeners: Vec<std::net::TcpListener>, place: &Place) -> Result<Vec<Door>, DynamoDbError> {
    if let Place::File(file) = place
        && let Some(directory) = file.parent()
    {
        std::fs::create_dir_all(directory)
            .map_err(|source| DynamoDbError::Directory { path: directory.to_owned(), source })?;
    }
    let name = place.name()?;
    let open = |listener| {
        let database = name.map_or_else(Database::memory, Database::new)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("dynamodb-worker")
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        Ok(Door { listener, database, runtime })
    };
    listeners.into_iter().map(open).collect()
}

/// Serves until it is stopped, or one of the sockets fails.
fn serve(
    doors: Vec<Door>,
    file: Option<PathBuf>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), DynamoDbError> {
    // An error means that the handle was dropped: a stop as well.
    let stopped = stopped.map(drop).shared();
    let sweeper = doors.first().map(|door| door.runtime.spawn(sweep_expired(door.database.clone())));
    let (mut served, mut runtimes) = (FuturesUnordered::new(), Vec::new());
    for Door { listener, database, runtime } in doors {
        served.push(runtime.spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database,
            stopped.clone(),
        )));
        runtimes.push(runtime);
    }
    let all_served = async {
        while let Some(ended) = served.next().await {
            ended.map_err(|_| DynamoDbError::Lost)?.map_err(DynamoDbError::Serve)?;
        }
        Ok(())
    };
    let ended = async {
        tokio::select! {
            result = all_served => result,
            // A client that sent half a request would hold the stop for ever.
            () = async { stopped.clone().await; time::sleep(STOP_GRACE).await } => Ok(()),
            // The engine would go on writing to a file that nobody can open any more, and acknowledge it.
            lost = lost(file) => {
                tracing::error!("the embedded DynamoDB's data is gone: it stops, and nothing is stored any more");
                Err(DynamoDbError::Gone(lost))
            }
        }
    };
    let result = runtimes.first().map_or(Ok(()), |runtime| runtime.block_on(ended));
    if let Some(sweeper) = sweeper {
        sweeper.abort();
    }
    runtimes.into_iter().for_each(|runtime| runtime.shutdown_timeout(STOP_GRACE));
    result
}

/// Ends once the file is not the one any more that it was; never without a file.
async fn lost(file: Option<PathBuf>) -> PathBuf {
    let identity = |file: &Path| std::fs::metadata(file).ok().map(|found| (found.dev(), found.ino()));
    let Some(file) = file else { return std::future::pending().await };
    let first = identity(&file);
    let mut ticks = time::interval(FILE_WATCH_INTERVAL);
    loop {
        ticks.tick().await;
        if identity(&file) != first {
            return file;
        }
    }
}

/// Removes what has expired, for ever.
async fn sweep_expired(database: Database) {
    let mut ticks = time::interval(TTL_SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(items)) => tracing::debug!(items, "expired items removed"),
            Ok(Err(error)) => tracing::warn!(%error, "expired items not removed"),
            // The runtime is going down.
            Err(_) => return,
        }
    }
}
