//! What the address of a page says, in its path and after its `?`. What cannot be read of it is answered by a page as
//! everything else is.
//!
//! What never lives here: what the parts of an address mean.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::page::Trouble;

/// The parts of the path.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

/// What stands after the `?`.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(_unreadable) => Err(Trouble::no_page()),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(refused) => {
                let title = "This address cannot be read";
                Err(Trouble::new(StatusCode::BAD_REQUEST, title, refused.body_text()))
            }
        }
    }
}
