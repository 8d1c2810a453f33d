//! Getting a connection to a server: resolve, check every address, connect to exactly what was checked, TLS.
//! Never here: which addresses are allowed (`crate::address`), HTTP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::{AddressRule, Host, Scheme, ServerUrl, check_address, check_resolved};
use crate::upstream::message::Unreachable;
use crate::upstream::spec::SpecError;

/// How many addresses of one name are tried, one after the other, within the connect time-out.
const ADDRESSES_TRIED_MAX: usize = 4;

/// Resolves a name. The system's resolver outside of tests.
pub(crate) type Resolve = Arc<
    dyn Fn(Arc<str>) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync,
>;

/// The resolver of the operating system.
pub(crate) fn system_resolver() -> Resolve {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((&*name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Makes connections to one server.
pub(super) struct Dialer {
    url: ServerUrl,
    rule: AddressRule,
    resolve: Resolve,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("url", &self.url)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    pub(super) fn new(
        url: ServerUrl,
        rule: AddressRule,
        resolve: Resolve,
    ) -> Result<Self, SpecError> {
        let tls = match url.scheme() {
            Scheme::Http => None,
            Scheme::Https => {
                let config = TLS.as_ref().map_err(|error| SpecError::Tls(error.clone()))?;
                Some((TlsConnector::from(Arc::clone(config)), server_name(url.host())?))
            }
        };
        Ok(Self { url, rule, resolve, tls })
    }

    /// Connects. The name is resolved anew each time, and all of its addresses are checked before any is used.
    pub(super) async fn dial(&self) -> Result<Stream, Unreachable> {
        let tcp = self.tcp().await?;
        tcp.set_nodelay(true).map_err(Unreachable::Connect)?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some((connector, name)) => {
                let stream =
                    connector.connect(name.clone(), tcp).await.map_err(Unreachable::Connect)?;
                Ok(Stream::Tls(Box::new(stream)))
            }
        }
    }

    async fn tcp(&self) -> Result<TcpStream, Unreachable> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for ip in self.addresses().await?.into_iter().take(ADDRESSES_TRIED_MAX) {
            match TcpStream::connect(SocketAddr::new(ip, self.url.port())).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = error,
            }
        }
        Err(Unreachable::Connect(last))
    }

    async fn addresses(&self) -> Result<Vec<IpAddr>, Unreachable> {
        match self.url.host() {
            Host::Address(ip) => {
                check_address(*ip, self.rule)?;
                Ok(vec![*ip])
            }
            Host::Name(name) => {
                let found = (self.resolve)(Arc::clone(name)).await.map_err(Unreachable::Resolve)?;
                check_resolved(name, found.iter().copied(), self.rule)?;
                if found.is_empty() {
                    return Err(Unreachable::Resolve(io::ErrorKind::NotFound.into()));
                }
                Ok(found)
            }
        }
    }
}

/// One TLS configuration for all servers: the web's roots, aws-lc-rs, no client certificate, no ALPN (HTTP/1.1).
static TLS: LazyLock<Result<Arc<ClientConfig>, rustls::Error>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
});

fn server_name(host: &Host) -> Result<ServerName<'static>, SpecError> {
    match host {
        Host::Address(ip) => Ok(ServerName::from(*ip)),
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_invalid| {
            SpecError::Tls(rustls::Error::General("no TLS server name".to_owned()))
        }),
    }
}

/// A connection to a server.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
