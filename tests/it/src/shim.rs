//! A loopback proxy for clients that cannot send headers: it adds a grant's token to each request,
//! calls its own `Host` and `Origin` by the gateway's names, and passes forged ones on. It changes
//! nothing else, and streams both ways.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running shim; dropping it closes its listener.
#[derive(Debug)]
pub struct Shim {
    port: u16,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Way {
    client: Client<HttpConnector, Body>,
    own_port: u16,
    door: SocketAddr,
    path: String,
    token: String,
}

impl Shim {
    /// Starts a shim in front of `door`, where requests go to `path` with `token`.
    pub async fn start(door: SocketAddr, path: &str, token: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let way = Way {
            client: Client::builder(TokioExecutor::new()).build_http(),
            own_port: port,
            door,
            path: path.to_owned(),
            token: token.to_owned(),
        };
        let router = axum::Router::new().fallback(pass).with_state(way);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(listener, router).await.expect("the shim serves until it is dropped");
        });
        Self { port, _tasks: tasks }
    }

    /// The URL that stands for the server behind.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/mcp", self.port)
    }
}

async fn pass(State(way): State<Way>, mut request: Request) -> Response {
    let target = format!("http://{}{}", way.door, way.path);
    *request.uri_mut() = target.parse::<Uri>().expect("a URI");
    way.rename(&mut request, HOST);
    way.rename(&mut request, ORIGIN);
    let token = HeaderValue::from_str(&format!("Bearer {}", way.token)).expect("a header value");
    request.headers_mut().insert(AUTHORIZATION, token);
    match way.client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(problem) => {
            let mut response = Response::new(Body::from(problem.to_string()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

impl Way {
    /// In a header that names the shim itself, the gateway's port takes the place of its own.
    fn rename(&self, request: &mut Request, header: HeaderName) {
        let own = format!(":{}", self.own_port);
        let value = request.headers().get(&header).and_then(|value| value.to_str().ok());
        let Some(host) = value.and_then(|text| text.strip_suffix(&own)) else {
            return;
        };
        let renamed = format!("{host}:{}", self.door.port());
        let renamed = HeaderValue::from_str(&renamed).expect("a header value");
        request.headers_mut().insert(header, renamed);
    }
}
