//! The method table: what the specification defines, in which revision, and who sends it. Never what is allowed: that is policy.

#[cfg(test)]
mod tests;

use core::fmt;

use crate::version::ProtocolVersion;

/// Longest method name that is read, in bytes.
pub const METHOD_BYTES_MAX: usize = 256;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The agent's side.
    Client,
    /// The MCP server's side.
    Server,
}

/// What a method name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Carries an id and is answered.
    Request,
    /// Carries no id and is not answered.
    Notification,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// A JSON-RPC method: one that some revision or official extension defines, or any other name.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)+
            /// A name that nothing above defines, as the sender spelled it (after unescaping).
            Other(Box<str>),
        }

        impl Method {
            /// The defined method of exactly this name.
            pub fn defined(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// The name on the wire.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $name,)+ Self::Other(name) => name }
            }

            /// The names of all defined methods.
            pub const DEFINED: &'static [&'static str] = &[$($name),+];
        }
    };
}

methods! {
    /// Opens a session (legacy).
    Initialize = "initialize",
    /// Says what the server can do (modern).
    ServerDiscover = "server/discover",
    /// Liveness, either direction (legacy).
    Ping = "ping",
    /// Sets the level of log notifications (legacy).
    LoggingSetLevel = "logging/setLevel",
    /// Lists tools.
    ToolsList = "tools/list",
    /// Runs a tool.
    ToolsCall = "tools/call",
    /// Lists resources.
    ResourcesList = "resources/list",
    /// Lists resource templates.
    ResourcesTemplatesList = "resources/templates/list",
    /// Reads a resource.
    ResourcesRead = "resources/read",
    /// Asks for updates of a resource (legacy).
    ResourcesSubscribe = "resources/subscribe",
    /// Ends updates of a resource (legacy).
    ResourcesUnsubscribe = "resources/unsubscribe",
    /// Lists prompts.
    PromptsList = "prompts/list",
    /// Reads a prompt.
    PromptsGet = "prompts/get",
    /// Suggests values for an argument of a prompt or template.
    CompletionComplete = "completion/complete",
    /// Opens a stream of change notifications (modern).
    SubscriptionsListen = "subscriptions/listen",
    /// Asks for a task's state (2025-11-25 core; the modern extension).
    TasksGet = "tasks/get",
    /// Asks for a task's result (2025-11-25).
    TasksResult = "tasks/result",
    /// Lists tasks (2025-11-25).
    TasksList = "tasks/list",
    /// Cancels a task.
    TasksCancel = "tasks/cancel",
    /// Hands input to a task (the modern extension).
    TasksUpdate = "tasks/update",
    /// The server asks the client's model for text (legacy).
    SamplingCreateMessage = "sampling/createMessage",
    /// The server asks the client's user for input (legacy).
    ElicitationCreate = "elicitation/create",
    /// The server asks for the client's roots (legacy).
    RootsList = "roots/list",
    /// The client finished the handshake (legacy).
    NotifyInitialized = "notifications/initialized",
    /// The sender no longer wants an answer.
    NotifyCancelled = "notifications/cancelled",
    /// Progress of a running request.
    NotifyProgress = "notifications/progress",
    /// A log message of the server.
    NotifyMessage = "notifications/message",
    /// The list of tools changed.
    NotifyToolsListChanged = "notifications/tools/list_changed",
    /// The list of prompts changed.
    NotifyPromptsListChanged = "notifications/prompts/list_changed",
    /// The list of resources changed.
    NotifyResourcesListChanged = "notifications/resources/list_changed",
    /// A resource changed.
    NotifyResourcesUpdated = "notifications/resources/updated",
    /// The client's roots changed (legacy).
    NotifyRootsListChanged = "notifications/roots/list_changed",
    /// An elicitation by URL ended (2025-11-25).
    NotifyElicitationComplete = "notifications/elicitation/complete",
    /// A task changed (2025-11-25).
    NotifyTasksStatus = "notifications/tasks/status",
    /// A task changed (the modern extension).
    NotifyTasks = "notifications/tasks",
    /// First message of a subscription (modern).
    NotifySubscriptionsAcknowledged = "notifications/subscriptions/acknowledged",
}

/// What every method of this prefix is meant to be: a notification.
const NOTIFICATION_PREFIX: &str = "notifications/";

impl Method {
    /// The method of this name, defined or not.
    pub fn from_name(name: &str) -> Self {
        Self::defined(name).unwrap_or_else(|| Self::Other(name.into()))
    }

    /// Whether the name stands for a request or for a notification; `None` when nothing defines it and its name does not say.
    ///
    /// Any name below `notifications/` counts as a notification.
    pub fn kind(&self) -> Option<MessageKind> {
        if self.as_str().starts_with(NOTIFICATION_PREFIX) {
            return Some(MessageKind::Notification);
        }
        (!matches!(self, Self::Other(_))).then_some(MessageKind::Request)
    }

    /// Whether `sender` may send this method in `version`, as the revision (or the tasks extension on top of 2026-07-28) defines it.
    ///
    /// `false` for [`Method::Other`]. A modern server answers 404 and −32601 to a request for which this is `false`.
    pub fn exists(&self, version: ProtocolVersion, sender: Sender) -> bool {
        use ProtocolVersion::{V2025_06_18, V2025_11_25, V2026_07_28};
        let legacy = version < V2026_07_28;
        match self {
            Self::Initialize
            | Self::LoggingSetLevel
            | Self::ResourcesSubscribe
            | Self::ResourcesUnsubscribe
            | Self::NotifyInitialized
            | Self::NotifyRootsListChanged => legacy && sender == Sender::Client,
            Self::ServerDiscover | Self::SubscriptionsListen | Self::TasksUpdate => {
                version >= V2026_07_28 && sender == Sender::Client
            }
            Self::Ping => legacy,
            Self::ToolsList
            | Self::ToolsCall
            | Self::ResourcesList
            | Self::ResourcesTemplatesList
            | Self::ResourcesRead
            | Self::PromptsList
            | Self::PromptsGet
            | Self::CompletionComplete => sender == Sender::Client,
            // The core of 2025-11-25 lets either side run tasks; the extension only the server.
            Self::TasksGet | Self::TasksCancel => {
                version == V2025_11_25 || (version >= V2026_07_28 && sender == Sender::Client)
            }
            Self::TasksResult | Self::TasksList | Self::NotifyTasksStatus => version == V2025_11_25,
            Self::SamplingCreateMessage | Self::RootsList => legacy && sender == Sender::Server,
            Self::ElicitationCreate => {
                (V2025_06_18..=V2025_11_25).contains(&version) && sender == Sender::Server
            }
            Self::NotifyCancelled => true,
            // Only servers report progress in 2026-07-28: nothing there runs at the client.
            Self::NotifyProgress => legacy || sender == Sender::Server,
            Self::NotifyMessage
            | Self::NotifyToolsListChanged
            | Self::NotifyPromptsListChanged
            | Self::NotifyResourcesListChanged
            | Self::NotifyResourcesUpdated => sender == Sender::Server,
            Self::NotifyElicitationComplete => {
                (V2025_11_25..V2026_07_28).contains(&version) && sender == Sender::Server
            }
            Self::NotifyTasks | Self::NotifySubscriptionsAcknowledged => {
                version >= V2026_07_28 && sender == Sender::Server
            }
            Self::Other(_) => false,
        }
    }

    /// The defined method of which this name is another spelling: equal ignoring case once white space, control characters
    /// and doubled slashes are gone. `None` for a defined name itself and for a name that resembles none.
    ///
    /// A lenient server could take such a name for the defined one, so it is refused and never counts as unknown.
    pub(crate) fn resembled(name: &str) -> Option<&'static str> {
        let mut plain = String::with_capacity(name.len());
        for c in name.chars() {
            let doubled = c == '/' && plain.ends_with('/');
            if !(c.is_whitespace() || c.is_control() || doubled) {
                crate::fold::push_folded(&mut plain, c);
            }
        }
        Self::DEFINED.iter().copied().find(|defined| *defined != name && folds_to(defined, &plain))
    }
}

/// Whether the defined (ASCII) name folds to `plain`, which is folded already.
fn folds_to(defined: &str, plain: &str) -> bool {
    defined.eq_ignore_ascii_case(plain)
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
