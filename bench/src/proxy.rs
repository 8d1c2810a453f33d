//! The body-blind proxy: what any gateway on hyper costs at least. It takes a request, hands it to the
//! server over a pooled connection and hands the answer back, and never looks at a body.

use std::net::SocketAddr;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::http1;

/// Where requests go.
#[derive(Debug, clap::Args)]
pub(crate) struct ProxyArgs {
    /// The server's address
    #[arg(long, value_name = "HOST:PORT")]
    upstream: SocketAddr,
}

/// Headers that belong to one connection.
const OF_CONNECTION: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::TRAILER, header::UPGRADE];

type Pool = Client<HttpConnector, Incoming>;
type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// Serves until it is ended.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn run(args: ProxyArgs) -> Result<(), String> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let pool: Pool = Client::builder(TokioExecutor::new()).build(connector);
    let server =
        Authority::try_from(args.upstream.to_string()).map_err(|error| error.to_string())?;
    http1::serve(move |request| {
        let (pool, server) = (pool.clone(), server.clone());
        async move { Ok::<_, hyper::Error>(forward(&pool, server, request).await) }
    })
    .await
}

async fn forward(pool: &Pool, server: Authority, mut request: Request<Incoming>) -> Answer {
    let path = request.uri().path_and_query().cloned();
    let mut target = http::uri::Parts::default();
    target.scheme = Some(Scheme::HTTP);
    target.authority = Some(server);
    target.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
    let Ok(target) = Uri::from_parts(target) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    *request.uri_mut() = target;
    for name in &OF_CONNECTION {
        request.headers_mut().remove(name);
    }
    // The pool writes the host of the server that it connects to.
    request.headers_mut().remove(header::HOST);
    match pool.request(request).await {
        Ok(mut answer) => {
            for name in &OF_CONNECTION {
                answer.headers_mut().remove(name);
            }
            answer.map(BodyExt::boxed_unsync)
        }
        Err(_unreachable) => empty(StatusCode::BAD_GATEWAY),
    }
}

fn empty(status: StatusCode) -> Answer {
    let body = Empty::new().map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}
