//! How the program itself opens HTTP connections: plain or TLS, by the scheme of the URL, with
//! certificates checked against the web's roots. Never here: what goes over them, and the gateway's
//! own connections to servers.

use std::io;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

/// How long a connection may take, in seconds.
pub(crate) const CONNECT_SECONDS_MAX: u64 = 10;

/// Opens connections for HTTP/1.1.
///
/// # Errors
/// When TLS is not available.
pub(crate) fn connector() -> io::Result<HttpsConnector<HttpConnector>> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECONDS_MAX)));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)
        .map_err(io::Error::other)?;
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}
