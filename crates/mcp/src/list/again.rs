//! A list that was filtered, for the next answer that says the same to another request. Never decides whether the same
//! filter applies.

use bytes::{Bytes, BytesMut};

use crate::{admit::Response, id::RawId};

/// An answer of a server and the answer that was made of it.
#[derive(Debug)]
pub struct FilteredBefore {
    came: Bytes,
    came_id: core::ops::Range<usize>,
    made: Bytes,
    made_id: core::ops::Range<usize>,
}

impl FilteredBefore {
    /// Keeps what became of a response, where nothing but its payload was changed. `None` where the place of its id cannot be
    /// told.
    pub fn of(response: &Response, made: &Bytes) -> Option<Self> {
        let came = response.body().clone();
        let id = response.id()?;
        let came_id = response.shallow.root(&came).get("id")?.span();
        let before = came_id.start < response.payload().span().start;
        let from = if before {
            came_id.start
        } else {
            (came_id.start + made.len()).checked_sub(came.len())?
        };
        let made_id = from..from.checked_add(came_id.len())?;
        (made.get(made_id.clone())? == &id.as_bytes()[..]).then(|| Self {
            came,
            came_id,
            made: made.clone(),
            made_id,
        })
    }

    /// What reading and filtering would make of this answer to the request `id`, if it is byte for byte the one that is kept but
    /// for its id; else `None`. Compares and copies, and reads nothing.
    pub fn again(&self, body: &[u8], id: &RawId) -> Option<Bytes> {
        let id = id.as_bytes();
        let (before, after) =
            (self.came.get(..self.came_id.start)?, self.came.get(self.came_id.end..)?);
        let rest = body.strip_prefix(before)?.strip_prefix(&id[..])?;
        if rest != after {
            return None;
        }
        let (head, tail) =
            (self.made.get(..self.made_id.start)?, self.made.get(self.made_id.end..)?);
        let mut made = BytesMut::with_capacity(head.len() + id.len() + tail.len());
        made.extend_from_slice(head);
        made.extend_from_slice(id);
        made.extend_from_slice(tail);
        Some(made.freeze())
    }
}
