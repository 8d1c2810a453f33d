//! The client's messages after the strict pass: everything is read from the tape, nothing is parsed twice. Never decides.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    fold,
    id::{IdKey, RawId},
    method::Method,
    scan::case_twins,
    splice::{self, Edit},
    tape::{Entry, Node, NodeKind, Tokens},
    version::{Era, ProtocolVersion},
};

/// Key of `_meta`: the revision of a modern request.
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of `_meta`: the capabilities of the client, with each modern request.
pub const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Key of `_meta`: what the client calls itself.
pub const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Key of `_meta`: the level of log notifications that a modern request asks for.
pub const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Key of `_meta`: the subscription that a notification belongs to.
pub const META_SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// Member of `subscriptions/listen`'s parameters: what is listened to.
const FILTER: &str = "notifications";
/// Member of that filter: the URIs of resources.
const SUBSCRIBED: &str = "resourceSubscriptions";

/// What a POST of the client holds.
#[derive(Debug)]
pub enum Inbound {
    /// One message.
    One(ClientMessage),
    /// Several, each to be decided on its own (2025-03-26 sessions only). Never empty.
    Batch(Vec<ClientMessage>),
}

/// One message of the client.
#[derive(Debug)]
pub enum ClientMessage {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Answers a request of the server (legacy).
    Response(ClientResponse),
}

/// Text that mostly lies in the body; owned only where it had to be unescaped.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Lies(u32, u32),
    Owned(Box<str>),
}

impl Text {
    pub(crate) fn of(node: Node<'_>) -> Option<Self> {
        let entry = node.entry()?;
        match node.as_str()? {
            Cow::Borrowed(_) => Some(Self::Lies(entry.start, entry.end)),
            Cow::Owned(text) => Some(Self::Owned(text.into_boxed_str())),
        }
    }

    fn read<'a>(&'a self, body: &'a [u8]) -> &'a str {
        match self {
            Self::Lies(start, end) => {
                crate::tape::text_of(body.get(*start as usize..*end as usize).unwrap_or_default())
            }
            Self::Owned(text) => text,
        }
    }
}

/// What the parts of a message have in common: bytes, tape and the places of `params` and `_meta`.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) body: Bytes,
    pub(crate) tape: Vec<Entry>,
    pub(crate) era: Era,
    pub(crate) version: Option<ProtocolVersion>,
    /// Tape index of `params`; 0 (the root) when there is none.
    pub(crate) params: u32,
    /// Tape index of `params._meta`; 0 when there is none.
    pub(crate) meta: u32,
}

impl Parsed {
    pub(crate) fn node(&self, at: u32) -> Option<Node<'_>> {
        (at != 0).then(|| Node::new(&self.body, &self.tape, at))
    }

    fn with_id(&self, id_at: u32, new_id: &str) -> Bytes {
        let span = Node::new(&self.body, &self.tape, id_at).span();
        splice::apply(&self.body, &[Edit { span, with: Cow::Borrowed(new_id.as_bytes()) }])
    }

    fn params(&self) -> Option<Node<'_>> {
        self.node(self.params)
    }

    fn meta(&self) -> Option<Node<'_>> {
        self.node(self.meta)
    }
}

/// What the client says it is; nobody checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo<'a> {
    /// Its name.
    pub name: Option<Cow<'a, str>>,
    /// Its version.
    pub version: Option<Cow<'a, str>>,
}

/// What a `completion/complete` request completes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionTarget<'a> {
    /// An argument of the prompt of this name.
    Prompt(Cow<'a, str>),
    /// A variable of the resource or template of this URI.
    Resource(Cow<'a, str>),
}

/// A request that satisfies the parser contract. [`Request::body`] is what was judged and what is sent.
#[derive(Debug)]
pub struct Request {
    pub(crate) parsed: Parsed,
    pub(crate) id: RawId,
    pub(crate) id_at: u32,
    pub(crate) method: Method,
    /// Tool or prompt name, resource URI or task id, by method.
    pub(crate) subject: Option<Text>,
    /// Tape index of `params.arguments`; 0 when there is none.
    pub(crate) arguments: u32,
}

impl Request {
    /// The message, byte for byte as it came.
    pub const fn body(&self) -> &Bytes {
        &self.parsed.body
    }

    /// The message with another id (JSON text), for a connection that many clients share. Nothing else changes.
    pub fn with_id(&self, new_id: &str) -> Bytes {
        self.parsed.with_id(self.id_at, new_id)
    }

    /// The id.
    pub const fn id(&self) -> &RawId {
        &self.id
    }

    /// The id's JSON text.
    pub fn id_raw(&self) -> &str {
        self.id.as_str()
    }

    /// The id's meaning.
    pub const fn id_key(&self) -> &IdKey {
        self.id.key()
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The era.
    pub const fn era(&self) -> Era {
        self.parsed.era
    }

    /// The revision that the header names. `None` only in the legacy era, where the header may be missing.
    pub const fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.parsed.version
    }

    /// The revision whose rules hold: the header's, else 2025-03-26 as the 2025-06-18 transport says.
    pub fn effective_version(&self) -> ProtocolVersion {
        self.parsed.version.unwrap_or(ProtocolVersion::V2025_03_26)
    }

    /// The tool's or prompt's name: always there for `tools/call` and `prompts/get`, `None` for other methods.
    pub fn name(&self) -> Option<&str> {
        matches!(self.method, Method::ToolsCall | Method::PromptsGet).then(|| self.subject())?
    }

    /// The resource's URI: always there for `resources/read`, `resources/subscribe` and `resources/unsubscribe`, `None` for other methods.
    pub fn uri(&self) -> Option<&str> {
        matches!(
            self.method,
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
        )
        .then(|| self.subject())?
    }

    /// The task's id: always there for `tasks/get`, `tasks/result`, `tasks/cancel` and `tasks/update`, `None` for other methods.
    pub fn task_id(&self) -> Option<&str> {
        matches!(
            self.method,
            Method::TasksGet | Method::TasksResult | Method::TasksCancel | Method::TasksUpdate
        )
        .then(|| self.subject())?
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_ref().map(|text| text.read(&self.parsed.body))
    }

    /// The arguments of a tool call or prompt: an object, or absent.
    pub fn arguments(&self) -> Option<Arguments<'_>> {
        self.parsed.node(self.arguments).map(|node| Arguments { node })
    }

    /// `params`, always an object.
    pub fn params(&self) -> Option<Node<'_>> {
        self.parsed.params()
    }

    /// `params._meta`, always an object.
    pub fn meta(&self) -> Option<Node<'_>> {
        self.parsed.meta()
    }

    /// JSON text of the token under which the client wants progress.
    pub fn progress_token(&self) -> Option<&str> {
        let token = self.meta()?.get("progressToken")?;
        matches!(token.kind(), NodeKind::String | NodeKind::Number).then(|| token.raw_str())
    }

    /// What the client says it is: from `_meta` (modern) or from the parameters of `initialize`.
    pub fn client_info(&self) -> Option<ClientInfo<'_>> {
        let info = if self.method == Method::Initialize {
            self.params()?.get("clientInfo")?
        } else {
            self.meta()?.get(META_CLIENT_INFO)?
        };
        let text = |name| info.get(name).and_then(Node::as_str);
        Some(ClientInfo { name: text("name"), version: text("version") })
    }

    /// The capabilities that the client declares: with this request (modern) or in `initialize`.
    pub fn capabilities(&self) -> Option<Node<'_>> {
        if self.method == Method::Initialize {
            self.params()?.get("capabilities")
        } else {
            self.meta()?.get(META_CLIENT_CAPABILITIES)
        }
    }

    /// Whether the client declares the capability at this path, such as `["elicitation", "url"]`, with anything but `null` or `false`.
    pub fn declares(&self, path: &[&str]) -> bool {
        let found = self.capabilities().and_then(|capabilities| capabilities.at_path(path));
        found.is_some_and(|node| node.kind() != NodeKind::Null && node.as_bool() != Some(false))
    }

    /// Whether the client declares an extension, such as `io.modelcontextprotocol/tasks`.
    pub fn declares_extension(&self, name: &str) -> bool {
        self.declares(&["extensions", name])
    }

    /// The revision that `initialize` asks for, as it was written.
    pub fn requested_version(&self) -> Option<Cow<'_, str>> {
        (self.method == Method::Initialize)
            .then(|| self.params()?.get("protocolVersion")?.as_str())?
    }

    /// JSON text of the answers to an `input_required` result that come with this retry.
    pub fn input_responses(&self) -> Option<&str> {
        self.params()?.get("inputResponses").map(Node::raw_str)
    }

    /// JSON text of the state that this retry gives back.
    pub fn request_state(&self) -> Option<&str> {
        self.params()?.get("requestState").map(Node::raw_str)
    }

    /// The cursor of a list request.
    pub fn cursor(&self) -> Option<Cow<'_, str>> {
        self.params()?.get("cursor")?.as_str()
    }

    /// Whether the client asks to run the request as a task (2025-11-25).
    pub fn is_task(&self) -> bool {
        self.params().is_some_and(|params| params.get("task").is_some())
    }

    /// What `completion/complete` completes. `None` for other methods, for a reference that is neither prompt nor resource, and
    /// for one that two readers could take for different things (two keys equal ignoring case, a prompt's name beside a URI):
    /// such a request names nothing that policy could allow.
    pub fn completion_target(&self) -> Option<CompletionTarget<'_>> {
        if self.method != Method::CompletionComplete {
            return None;
        }
        let reference = self.params()?.get("ref")?;
        let twins = case_twins(self.body(), reference.members());
        if twins || (reference.get("name").is_some() && reference.get("uri").is_some()) {
            return None;
        }
        match reference.get("type")?.as_str()?.as_ref() {
            "ref/prompt" => reference.get("name")?.as_str().map(CompletionTarget::Prompt),
            "ref/resource" => reference.get("uri")?.as_str().map(CompletionTarget::Resource),
            _ => None,
        }
    }

    /// The filter of `subscriptions/listen`: `params.notifications`.
    pub fn subscription_filter(&self) -> Option<Node<'_>> {
        (self.method == Method::SubscriptionsListen).then(|| self.params()?.get(FILTER))?
    }

    /// The resources that `subscriptions/listen` wants updates of. An element that is no string yields `None`: deny it. So does
    /// a filter that a lenient reader could understand otherwise: of another type, or under another spelling of its names.
    pub fn subscribed_uris(&self) -> impl Iterator<Item = Option<Cow<'_, str>>> {
        let filter = self.subscription_filter();
        let list = filter.and_then(|filter| filter.get(SUBSCRIBED));
        let odd = self.params().is_some_and(|params| has_respelt(params, FILTER))
            || filter.is_some_and(|filter| {
                filter.kind() != NodeKind::Object || has_respelt(filter, SUBSCRIBED)
            })
            || list.is_some_and(|list| list.kind() != NodeKind::Array);
        let listed = list.into_iter().flat_map(Node::elements).map(Node::as_str);
        odd.then_some(None).into_iter().chain(listed)
    }
}

/// Whether an object has a key that equals `name` ignoring case, but not exactly.
fn has_respelt(object: Node<'_>, name: &str) -> bool {
    let folded = fold::folded(name);
    let respelt = |text: Cow<'_, str>| text != name && fold::folded(&text) == folded;
    object.members().any(|(key, _)| key.text().is_some_and(respelt))
}

/// The arguments of a call, always an object.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    node: Node<'a>,
}

impl<'a> Arguments<'a> {
    /// The object as a view.
    pub const fn node(self) -> Node<'a> {
        self.node
    }

    /// The JSON text, byte for byte.
    pub fn raw(self) -> &'a [u8] {
        self.node.raw()
    }

    /// The JSON text.
    pub fn raw_str(self) -> &'a str {
        self.node.raw_str()
    }

    /// The tokens, from `BeginObject` to `EndObject`.
    pub fn tokens(self) -> Tokens<'a> {
        Tokens::new(self.node)
    }
}

/// A message of the client that wants no answer.
#[derive(Debug)]
pub struct Notification {
    pub(crate) parsed: Parsed,
    pub(crate) method: Method,
}

impl Notification {
    /// The message, byte for byte.
    pub const fn body(&self) -> &Bytes {
        &self.parsed.body
    }

    /// The method. Anything that the specification does not define is [`Method::Other`] and counts as any other method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The era, by the header.
    pub const fn era(&self) -> Era {
        self.parsed.era
    }

    /// The revision that the header names.
    pub const fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.parsed.version
    }

    /// `params`, always an object.
    pub fn params(&self) -> Option<Node<'_>> {
        self.parsed.params()
    }

    /// `params._meta`, always an object.
    pub fn meta(&self) -> Option<Node<'_>> {
        self.parsed.meta()
    }

    /// The request that `notifications/cancelled` cancels; `None` when it names none (then it cancels a task or nothing).
    pub fn cancelled_id(&self) -> Option<RawId> {
        if self.method != Method::NotifyCancelled {
            return None;
        }
        crate::decode::id_of(&self.parsed.body, self.params()?.get("requestId")?).ok()
    }

    /// JSON text of the token that `notifications/progress` reports on.
    pub fn progress_token(&self) -> Option<&str> {
        (self.method == Method::NotifyProgress)
            .then(|| self.params()?.get("progressToken").map(Node::raw_str))?
    }
}

/// The client's answer to a request of the server (legacy).
#[derive(Debug)]
pub struct ClientResponse {
    pub(crate) parsed: Parsed,
    pub(crate) id: RawId,
    pub(crate) id_at: u32,
    /// Tape index of `result` or `error`.
    pub(crate) outcome: u32,
    pub(crate) failed: Failed,
}

/// Whether a response carries `error` in place of `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    No,
    Yes,
}

impl ClientResponse {
    /// The message, byte for byte.
    pub const fn body(&self) -> &Bytes {
        &self.parsed.body
    }

    /// The message with another id (JSON text). Nothing else changes.
    pub fn with_id(&self, new_id: &str) -> Bytes {
        self.parsed.with_id(self.id_at, new_id)
    }

    /// The id of the server's request. Whether that request is outstanding is the gateway's to know.
    pub const fn id(&self) -> &RawId {
        &self.id
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.failed == Failed::Yes
    }

    /// `result`, or `error`.
    pub fn outcome(&self) -> Option<Node<'_>> {
        self.parsed.node(self.outcome)
    }
}
