//! Bytes to MCP messages and back: the strict pass, SSE framing, list filtering, byte-exact splicing.
//!
//! [`decode`] is the only parse of a client's message: everything later reads the tape that it made. [`admit_reply`] checks what a
//! server sends. Both leave the bytes alone, so that what is judged is what is sent. No sockets, no clock, no policy.

mod admit;
mod canonical;
mod capability;
mod decode;
mod fold;
mod frame;
mod headers;
mod id;
mod list;
mod method;
mod pin;
mod refusal;
pub mod reply;
mod request;
mod scan;
mod splice;
pub mod sse;
mod tape;
mod version;

pub use admit::{
    BadReply, Outcome, REPLY_DEPTH_MAX, Response, ServerMessage, ServerNotification, ServerRequest,
    admit_reply, read_message,
};
pub use canonical::CanonicalError;
pub use capability::{Capability, CapabilitySite, set_capability, strip_capabilities};
pub use decode::{BATCH_MESSAGES_MAX, DEPTH_MAX, ELEMENTS_MAX, decode};
pub use frame::{BatchRule, Frame, HeaderValues, MirrorHeaders};
pub use headers::{
    AnnotationFault, ParamHeader, ParamHeaders, check_param_headers, encode_header_value,
    param_headers, unmirrored,
};
pub use id::{ID_BYTES_MAX, ID_INTEGER_MAX, IdKey, RawId};
pub use list::{
    CacheRewrite, Filtered, FilteredBefore, ListItem, ListKind, ListPage, filter_list, list_items,
};
pub use method::{METHOD_BYTES_MAX, MessageKind, Method, Sender};
pub use pin::{PINNED_MEMBERS, PinError, PinnedDefinition, definition_pin};
pub use refusal::{Refusal, RefusalKind, code};
pub use request::{
    Arguments, ClientInfo, ClientMessage, ClientResponse, CompletionTarget, Inbound,
    META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_PROTOCOL_VERSION,
    META_SUBSCRIPTION_ID, Notification, Request,
};
pub use splice::{replace_id, replace_values, single_line, without_params};
pub use tape::{Elements, Key, Members, Node, NodeKind, Token, Tokens};
pub use version::{Era, ProtocolVersion};
