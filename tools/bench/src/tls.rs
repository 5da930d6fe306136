//! TLS in front of a store: what a client of AWS has to go through before its first request.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Where systems keep the certificates that they trust; Amazon Linux, which Lambda runs on, the first.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];

/// A TLS server that hands on to a store what it decrypts. Dropping it ends it.
#[derive(Debug)]
pub(super) struct TlsFront {
    address: SocketAddr,
    authority: String,
    connections: Arc<AtomicUsize>,
    close: watch::Sender<()>,
    server: JoinHandle<()>,
}

impl TlsFront {
    /// Serves in front of `store`, on a free port of this machine, with a certificate made for the occasion.
    pub(super) async fn start(store: SocketAddr) -> anyhow::Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &authority)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        // By name, since a client of AWS has to resolve one.
        let listener = TcpListener::bind("localhost:0").await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let (close, closed) = watch::channel(());
        let server = tokio::spawn(serve(listener, acceptor, store, Arc::clone(&connections), closed));
        Ok(Self { address, authority: authority.pem(), connections, close, server })
    }

    /// The endpoint to give to an SDK.
    pub(super) fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// How many connections were opened so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes all connections, as a server does with idle ones.
    pub(super) fn close_all(&self) {
        self.close.send_replace(());
    }

    /// Writes what a client has to trust, for `SSL_CERT_FILE`: all that this system trusts, so that a client has as much to read as in
    /// production, and the certificate of this server's issuer. Gives back how many of the former there are.
    pub(super) fn write_roots(&self, file: &Path) -> anyhow::Result<usize> {
        let system = SYSTEM_ROOTS.iter().find_map(|path| std::fs::read_to_string(path).ok());
        let mut roots = system.unwrap_or_default();
        let count = roots.matches("-----BEGIN CERTIFICATE-----").count();
        roots.push_str(&self.authority);
        std::fs::write(file, roots).with_context(|| format!("can't write {}", file.display()))?;
        Ok(count)
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    store: SocketAddr,
    connections: Arc<AtomicUsize>,
    closed: watch::Receiver<()>,
) {
    while let Ok((client, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, mut closed) = (acceptor.clone(), closed.clone());
        // What was closed before is no concern of a new connection's.
        closed.mark_unchanged();
        tokio::spawn(async move {
            // A client that leaves, or won't have the certificate, sees to it itself.
            let _ = forward(client, acceptor, store, closed).await;
        });
    }
}

async fn forward(
    client: TcpStream,
    acceptor: TlsAcceptor,
    store: SocketAddr,
    mut closed: watch::Receiver<()>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut store = TcpStream::connect(store).await?;
    store.set_nodelay(true)?;
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut store) => copied.map(drop),
        _ = closed.changed() => client.shutdown().await,
    }
}
