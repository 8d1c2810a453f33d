//! Every page and form once: the endpoint × role table covers them, and a test holds the router against it.
//!
//! What never lives here: what they show or do.

use crate::ops::Permission;

/// One page, or what a form on one sends to.
#[derive(Debug, Clone, Copy)]
pub struct PageEntry {
    /// `get` or `post`.
    pub method: &'static str,
    /// The path, with `{…}` where a name goes.
    pub path: &'static str,
    /// What the visitor must be allowed; `None`: whoever comes.
    pub permission: Option<Permission>,
    /// What it is for, in one line.
    pub summary: &'static str,
}

const fn page(path: &'static str, summary: &'static str) -> PageEntry {
    PageEntry { method: "get", path, permission: Some(Permission::Read), summary }
}

const fn open(method: &'static str, path: &'static str, summary: &'static str) -> PageEntry {
    PageEntry { method, path, permission: None, summary }
}

const fn for_admins(path: &'static str, summary: &'static str) -> PageEntry {
    PageEntry { permission: Some(Permission::SeePeople), ..page(path, summary) }
}

const fn form(path: &'static str, permission: Permission, summary: &'static str) -> PageEntry {
    PageEntry { method: "post", path, permission: Some(permission), summary }
}

const fn act(
    method: &'static str,
    path: &'static str,
    permission: Permission,
    summary: &'static str,
) -> PageEntry {
    PageEntry { method, path, permission: Some(permission), summary }
}

const ADMIN: Permission = Permission::Administer;

/// All of them, in the order of the navigation.
pub const PAGES: &[PageEntry] = &[
    page("/", "Overview: what the gateway did in the last 24 hours, and what needs somebody"),
    page("/approvals", "Calls that wait for a person, by urgency, and those that were decided"),
    page("/approvals/events", "Which calls wait, whenever that changes (server-sent events)"),
    page("/approvals/{id}", "One held call with all that a decision needs"),
    form("/approvals/{id}/approve", Permission::Decide, "Let exactly this call pass, once"),
    form("/approvals/{id}/reject", Permission::Decide, "Refuse this call; the agent reads why"),
    page("/settings/notifications", "Channels for people outside, and how each message went"),
    form("/settings/notifications/{name}/test", Permission::Administer, "Try a channel"),
    page("/activity", "Calls and what became of them, newest first, filtered"),
    page("/activity/events", "New calls as they are judged (server-sent events)"),
    page("/activity/{seq}", "One call: its way, its trace, its request"),
    for_admins("/people", "Who may sign in, and what they may do; open invitations"),
    form("/people/invite", Permission::ManagePeople, "Make a link by which somebody joins"),
    form("/people/links/{link}/withdraw", Permission::ManagePeople, "Withdraw a link"),
    for_admins("/people/{id}", "One account and where it is signed in"),
    form("/people/{id}/role", Permission::ManagePeople, "Give somebody another role"),
    form("/people/{id}/disable", Permission::ManagePeople, "Keep somebody from signing in"),
    form("/people/{id}/enable", Permission::ManagePeople, "Let somebody sign in again"),
    form(
        "/people/{id}/new-password",
        Permission::ManagePeople,
        "Make a link by which somebody chooses another password",
    ),
    form("/people/{id}/remove", Permission::ManagePeople, "Remove an account"),
    form("/people/{id}/sessions/end", Permission::ManagePeople, "End a session of somebody"),
    for_admins("/deeds", "Every change of the installation, and attempts to sign in"),
    page("/settings", "What the file and what the console decides"),
    form("/settings/organisation", Permission::Administer, "Rename the organisation"),
    form(
        "/settings/own-calls",
        Permission::ManagePeople,
        "Whether people may decide their own agents' calls",
    ),
    page("/health", "Checks, the chain of the audit, versions"),
    form("/health/verify", Permission::Administer, "Walk the chain of the audit"),
    page("/account", "One's own account: password and sessions"),
    form("/account/password", Permission::Read, "Choose another password"),
    form("/account/theme", Permission::Read, "Light, dark, or as the system, in this browser"),
    form("/account/sessions/end", Permission::Read, "End one of one's own sessions"),
    form("/account/sessions/end-others", Permission::Read, "End all of one's other sessions"),
    form("/sign-out", Permission::Read, "End this session"),
    page("/step-up", "Prove again who one is"),
    form("/step-up", Permission::Read, "Prove again who one is, by the password"),
    open("get", "/sign-in", "Where people sign in"),
    open("post", "/sign-in", "Sign in"),
    open("get", "/sign-in/on", "To the issuer of sign-on"),
    open("get", "/sign-in/callback", "Back from the issuer of sign-on"),
    open("get", "/welcome/{link}", "Make the first account, by the link of the start"),
    open("post", "/welcome/{link}", "Make the first account"),
    open("get", "/join/{link}", "Join by an invitation"),
    open("post", "/join/{link}", "Join by an invitation"),
    open("get", "/new-password/{link}", "Choose another password by a link"),
    open("post", "/new-password/{link}", "Choose another password by a link"),
    open("get", "/assets/{mark}/{name}", "Style sheets, scripts and images of pages"),
    act("get", "/setup", ADMIN, "Set up a server: its URL, a program, or a client's configuration"),
    act("post", "/setup", ADMIN, "Add the server"),
    act("get", "/setup/{slug}", ADMIN, "Its tools with their classes, and the recommended policy"),
    act("post", "/setup/{slug}/test", ADMIN, "Test the connection while setting up"),
    act("post", "/setup/{slug}/choices", ADMIN, "Keep a class and an answer for each tool"),
    act("post", "/setup/{slug}/policy", ADMIN, "Accept the tools and save their policy"),
    page("/servers", "All servers"),
    page("/servers/{slug}", "One server: tools, secrets by name, settings"),
    act("post", "/servers/{slug}/test", ADMIN, "Test the connection"),
    act("post", "/servers/{slug}/settings", ADMIN, "Change the settings"),
    act("post", "/servers/{slug}/credentials", Permission::Secrets, "Replace a secret"),
    act("post", "/servers/{slug}/class", ADMIN, "Give a tool another class"),
    act("post", "/servers/{slug}/remove", ADMIN, "Remove the server and its grants"),
    page("/servers/{slug}/changes", "Definitions that changed since they were accepted"),
    act("post", "/servers/{slug}/changes", ADMIN, "Accept definitions, or keep them out"),
    page("/grants", "All grants"),
    act("post", "/grants", ADMIN, "Make a grant; its token is shown this once"),
    act("get", "/grants/new", ADMIN, "The form of a new grant"),
    page("/grants/{id}", "One grant, and how to connect a client"),
    page("/grants/{id}/first-call", "How far the agent of a grant came, as a part of a page"),
    act("post", "/grants/{id}/rotate", Permission::Secrets, "Another token, shown this once"),
    act("post", "/grants/{id}/policy", Permission::EditPolicies, "Attach another policy"),
    act("post", "/grants/{id}/revoke", ADMIN, "Revoke the grant, for good"),
    page("/inventory", "What each agent can call, by risk"),
    page("/inventory/{id}", "What one grant can call, tool by tool"),
    page(
        "/policies/{name}/review",
        "What a text changes in effect, its tests, the last week judged by it",
    ),
    form("/policies/{name}/review", Permission::EditPolicies, "Save it: draft, observe or enforce"),
    form(
        "/policies/{name}/review/discard",
        Permission::EditPolicies,
        "Throw the unsaved text away",
    ),
    page("/policies/{name}/history", "Every version of a policy and what it changed"),
    form(
        "/policies/{name}/history/{version}/restore",
        Permission::EditPolicies,
        "Save the text of an old version as the next one",
    ),
    page("/playground", "Try a call: what policy says of it, condition by condition"),
    form("/playground/test", Permission::EditPolicies, "Put a tried call into a policy as a test"),
    page("/policies", "Policies: mode, version, tests, warnings, who changed each last"),
    form("/policies", Permission::EditPolicies, "Begins a policy"),
    page("/policies/{name}", "The policy builder: tools, rules, text"),
    page("/policies/{name}/begin", "The text that the builder begins with"),
    form(
        "/policies/{name}/look",
        Permission::Read,
        "What a text says, and what an edit makes of it",
    ),
    form(
        "/policies/{name}/text",
        Permission::EditPolicies,
        "Keeps a text, and checks or reviews it",
    ),
    form(
        "/policies/{name}/from-call",
        Permission::EditPolicies,
        "Makes a rule or a test of a recorded call, in an unsaved text",
    ),
    form("/policies/{name}/discard", Permission::EditPolicies, "Forgets an unsaved text"),
];
