//! Use cases, asked past all pages: each one asks for its permission by itself.

use policy::ApprovalId;
use store::{
    ApiRole, DeedFilter, Email, GrantId, Label, LinkHandle, PersonId, PolicyMode, PolicyName,
    Revision, Secret, ServerSlug, SessionHandle, Standing,
};

use super::World;
use crate::ops::Permission::{Administer, Decide, EditPolicies, ManagePeople, Secrets, SeePeople};
use crate::ops::actor::role_may;
use crate::ops::policies::{self, Draft, Restore};
use crate::ops::{Actor, Forbidden, OpError, Permission, Proof};
use crate::ops::{accounts, approvals, builder, chain, deeds, grants, notifications};
use crate::ops::{servers, set_up, settings};

type Done = Vec<(&'static str, Permission, Result<(), OpError>)>;

fn actor(role: ApiRole, proof: Proof) -> Actor {
    let name = store::Actor::parse("user:somebody@example.com").unwrap();
    Actor { name, role, from: "192.0.2.1".to_owned(), proof }
}

fn done<T>(result: Result<T, OpError>) -> Result<(), OpError> {
    result.map(drop)
}

async fn people(world: &World, by: &Actor) -> Done {
    let console = &world.console;
    let email = |role| super::email_of(role);
    let found = console.store.credentials(&email(ApiRole::Viewer)).await.unwrap().unwrap();
    let viewer = found.person.id;
    let sessions = console.store.sessions(&viewer, world.now()).await.unwrap();
    let session: SessionHandle = sessions[0].handle();
    let nobody = PersonId::parse(&format!("usr_{}", "0".repeat(26))).unwrap();
    let link = LinkHandle::parse(&"0".repeat(32)).unwrap();
    let invited = (Email::parse("new@example.com").unwrap(), ApiRole::Viewer);
    let role = (&nobody, ApiRole::Viewer);
    vec![
        ("people", SeePeople, done(accounts::people(console, by).await)),
        ("links", SeePeople, done(accounts::links(console, by).await)),
        ("person", SeePeople, done(accounts::person(console, by, &viewer).await)),
        ("deeds", SeePeople, done(deeds::page(console, by, DeedFilter::default(), 1).await)),
        ("invite", ManagePeople, done(accounts::invite(console, by, invited).await)),
        (
            "password link",
            ManagePeople,
            done(accounts::new_password_link(console, by, &nobody).await),
        ),
        ("withdraw", ManagePeople, done(accounts::withdraw_link(console, by, &link).await)),
        ("role", ManagePeople, done(accounts::change_role(console, by, role).await)),
        (
            "standing",
            ManagePeople,
            done(accounts::set_standing(console, by, (&nobody, Standing::Active)).await),
        ),
        ("remove person", ManagePeople, done(accounts::remove(console, by, &nobody).await)),
        ("set-up link", ManagePeople, done(accounts::offer_set_up(console, by).await)),
        (
            "rename",
            Administer,
            done(accounts::rename_organisation(console, by, Label::parse("E").unwrap()).await),
        ),
        (
            "own calls",
            ManagePeople,
            done(settings::set_own_calls(console, by, store::OwnCalls::Refuse).await),
        ),
        (
            "end a session of somebody",
            ManagePeople,
            done(accounts::end_session(console, by, (&viewer, &session)).await),
        ),
    ]
}

async fn objects(world: &World, by: &Actor) -> Done {
    let console = &world.console;
    let slug = ServerSlug::parse("none").unwrap();
    let grant = GrantId::parse(&format!("grt_{}", "0".repeat(26))).unwrap();
    let call = ApprovalId::from_random([7; 16]);
    let wanted = grants::Wanted {
        label: Label::parse("x").unwrap(),
        server: slug.clone(),
        policy: None,
        token: None,
        expires_at: None,
        tags: std::collections::BTreeMap::new(),
        owner: None,
    };
    let server = store::ServerRecord {
        slug: slug.clone(),
        transport: store::Transport::Http {
            url: "https://mcp.example.com/mcp".to_owned(),
            headers: Vec::new(),
        },
        allow_private_address: false,
        timeouts: store::Timeouts::default(),
        refresh_seconds: 60,
        new_tools: store::NewTools::Quarantine,
        accept_first: false,
        classes: std::collections::BTreeMap::new(),
        from_server: store::FromServer::default(),
        managed_by_file: false,
        revision: Revision::default(),
    };
    // One that is never there: nothing is made.
    let expected = Some(Revision(u64::MAX >> 1));
    let secret = ("x".to_owned(), Secret::new("y".to_owned()));
    let pin = (&slug, "x");
    let text = (store::Answer::Reject, None);
    vec![
        ("decide", Decide, done(approvals::decide(console, by, &call, text).await)),
        ("walk", Administer, chain::walk(console, by)),
        ("try a channel", Administer, notifications::try_channel(console, by, "none").await),
        ("make a grant", Administer, done(grants::create(console, by, wanted).await)),
        ("rotate", Secrets, done(grants::rotate(console, by, &grant, 0).await)),
        ("attach", EditPolicies, done(grants::attach(console, by, &grant, None).await)),
        ("revoke", Administer, grants::revoke(console, by, &grant).await),
        (
            "save a server",
            Administer,
            done(servers::save(console, by, server.clone(), expected).await),
        ),
        (
            "replace a server",
            Administer,
            done(servers::replace(console, by, server, expected).await),
        ),
        ("remove a server", Administer, servers::remove(console, by, &slug).await),
        ("class", Administer, done(servers::set_class(console, by, &slug, ("x", None)).await)),
        ("put a secret", Secrets, done(servers::put_secret(console, by, &slug, secret).await)),
        ("accept", Administer, done(servers::accept(console, by, pin, None).await)),
        ("accept many", Administer, servers::accept_many(console, by, &slug, Vec::new()).await),
        ("keep out", Administer, servers::keep_out(console, by, &slug, Vec::new()).await),
        ("inspect", Administer, done(servers::inspect(console, by, &slug).await)),
    ]
}

async fn policies_of(world: &World, by: &Actor) -> Done {
    let console = &world.console;
    let slug = ServerSlug::parse("none").unwrap();
    let name = PolicyName::parse("none").unwrap();
    let draft = Draft {
        name: name.clone(),
        server: None,
        text: r#"{"version":"1","default":"deny"}"#,
        mode: PolicyMode::Draft,
        note: None,
    };
    let restore = Restore { version: 1, mode: PolicyMode::Draft, note: None };
    let kept = (None, String::new(), 0);
    let plan = ("{", PolicyMode::Draft);
    vec![
        ("save", EditPolicies, done(policies::save(console, by, draft, Some(9)).await)),
        ("restore", EditPolicies, done(policies::restore(console, by, &name, restore, None).await)),
        ("remove a policy", EditPolicies, policies::remove(console, by, &name).await),
        ("keep", EditPolicies, policies::keep_draft(console, by, &name, kept).await),
        ("draft", EditPolicies, done(policies::draft(console, by, &name).await)),
        ("drop", EditPolicies, policies::drop_draft(console, by, &name).await),
        ("from a call", EditPolicies, done(builder::from_call(console, by, 1).await)),
        ("set up", EditPolicies, done(set_up::save(console, by, &slug, plan).await)),
    ]
}

async fn all(world: &World, by: &Actor) -> Done {
    let (objects, policies) = (objects(world, by).await, policies_of(world, by).await);
    objects.into_iter().chain(policies).chain(people(world, by).await).collect()
}

#[tokio::test]
async fn each_use_case_asks_by_itself() {
    let world = World::new().await;
    world.session(ApiRole::Viewer).await;
    for role in [ApiRole::Viewer, ApiRole::PolicyManager, ApiRole::Approver, ApiRole::Admin] {
        let by = actor(role, Proof::Fresh);
        for (what, permission, result) in all(&world, &by).await {
            let refused = matches!(result, Err(OpError::Forbidden(Forbidden::Role { .. })));
            assert_eq!(refused, !role_may(role, permission), "{what} as {role:?}: {result:?}");
        }
    }
}

#[tokio::test]
async fn each_use_case_of_secrets_and_people_asks_for_a_fresh_proof() {
    let world = World::new().await;
    world.session(ApiRole::Viewer).await;
    let by = actor(ApiRole::Admin, Proof::Session);
    for (what, permission, result) in all(&world, &by).await {
        let refused = matches!(result, Err(OpError::Forbidden(Forbidden::StepUp)));
        assert_eq!(refused, permission.is_proven_again(), "{what}: {result:?}");
    }
}

/// Whoever calls the use case that saves a server, and for whatever reason.
#[tokio::test]
async fn no_save_moves_a_secret_to_another_address_without_a_fresh_proof() {
    let world = World::new().await;
    let (console, by) = (&world.console, actor(ApiRole::Admin, Proof::Session));
    let admin = world.session(ApiRole::Admin).await;
    let form = "way=url&slug=far&url=https%3A%2F%2Fx.example&headers=K%3A+real";
    world.post("/setup", Some(&admin), form).await;
    let mut held = console.store.servers().await.unwrap().remove(0);
    held.refresh_seconds = 90;
    let kept = servers::save(console, &by, held.clone(), None).await;
    assert!(kept.is_ok(), "settings beside the secrets take no proof: {kept:?}");
    if let store::Transport::Http { url, .. } = &mut held.transport {
        "https://elsewhere.example/".clone_into(url);
    }
    let moved = servers::save(console, &by, held, None).await;
    assert!(matches!(moved, Err(OpError::Forbidden(Forbidden::StepUp))), "{moved:?}");
}
