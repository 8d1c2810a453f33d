//! One POST to an address that people configured, such as a webhook: under the address rules of
//! servers, without redirects, on a connection of its own. Never here: what is posted, and when.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::connect::{Dialer, system_resolver};
use crate::address::{AddressError, AddressRule, ServerUrl, check_url};
use crate::upstream::message::Unreachable;
use crate::upstream::spec::SpecError;

/// How much of an answer is read, in bytes; what is longer is cut off.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where something is posted to.
#[derive(Debug)]
pub struct Post {
    url: ServerUrl,
    dialer: Dialer,
}

/// Why nothing can be posted there.
#[derive(Debug, thiserror::Error)]
pub enum PostTarget {
    /// The URL is not accepted.
    #[error("the URL is not accepted")]
    Address(#[from] AddressError),
    /// There is no TLS for it.
    #[error("there is no TLS for it")]
    Tls(#[from] SpecError),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// Its address is refused, or nobody is there.
    #[error("cannot connect")]
    Unreachable(#[from] Unreachable),
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Post {
    /// Posts to this URL, as far as the rule allows; the rule is asked again at every connection.
    ///
    /// # Errors
    /// When the URL is not accepted (see [`check_url`]), or there is no TLS.
    pub fn to(url: &str, rule: AddressRule) -> Result<Self, PostTarget> {
        let url = check_url(url, rule)?;
        let dialer = Dialer::new(url.clone(), rule, system_resolver())?;
        Ok(Self { url, dialer })
    }

    /// Posts `body` with these headers, and waits for the status of the answer for at most
    /// `patience`. Redirects are not followed: they are statuses like others.
    ///
    /// # Errors
    /// When there is no answer; whether the body arrived is not known then.
    pub async fn send(
        &self,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<StatusCode, PostError> {
        match timeout(patience, self.exchange(headers, body)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(PostError::Late(patience)),
        }
    }

    async fn exchange(&self, headers: HeaderMap, body: Bytes) -> Result<StatusCode, PostError> {
        let stream = self.dialer.dial().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.target().clone().into();
        *request.headers_mut() = headers;
        let own = request.headers_mut();
        own.insert(HOST, self.url.host_header().clone());
        own.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        own.insert(USER_AGENT, HeaderValue::from_static("portcullis"));
        let answering = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            // Read, so that the receiver is not cut off while it answers; what it says is not kept.
            if Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.is_err() {
                tracing::debug!("the answer to a message was cut off");
            }
            Ok(status)
        };
        let (mut answering, mut connection) = (pin!(answering), pin!(connection));
        tokio::select! {
            biased;
            answer = &mut answering => answer,
            // A receiver may answer and close at once: what the connection brought waits for whoever asked.
            _ended = &mut connection => answering.await,
        }
    }
}

#[cfg(test)]
mod tests;
