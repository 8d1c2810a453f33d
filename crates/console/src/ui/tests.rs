//! The console over its real router and a real store, as browsers ask it.

mod attacks;
mod building;
mod guards;
mod keeping;
mod live;
mod permissions;
mod roles;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use policy::UnixMillis;
use store::{
    ApiRole, ApiTokenRecord, AuditMode, Email, Entropy, Label, NewPerson, NewSession, PersonId,
    Role, Secret, Store, StoreConfig, Token,
};
use tower::ServiceExt;

use super::form::{CSRF_HEADER, FORM_COOKIE};
use super::visitor::SESSION_COOKIE;
use crate::ops::LongWork;
use crate::ops::accounts::{self, Browser, Hashing, NewAccount, offer_set_up};
use crate::ops::chain::Walks;
use crate::ops::{Actor, Proof};
use crate::{Console, Inspection, door};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const HOST: &str = "localhost:8421";
const ORIGIN: &str = "http://localhost:8421";
const PASSWORD: &str = "correct horse battery";
/// What forms carry before anybody is signed in.
const FORM_SECRET: &str = "0123456789012345678901234567890123456789012345";

/// An installation with one person of each role.
struct World {
    router: Router,
    console: Console,
    now: Arc<AtomicI64>,
    tokens: Vec<(ApiRole, Token)>,
    _dir: tempfile::TempDir,
}

/// A browser that is signed in.
#[derive(Clone)]
struct SignedIn {
    secret: String,
    csrf: String,
}

/// An answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn location(&self) -> &str {
        self.header(header::LOCATION)
    }

    /// The value of a cookie that the answer sets.
    fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter();
        let mut pairs = lines.filter_map(|line| line.to_str().unwrap().split(';').next());
        pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    }

    fn is_sent_to_sign_in(&self) -> bool {
        self.status == StatusCode::SEE_OTHER && self.location().starts_with("/sign-in")
    }
}

fn email_of(role: ApiRole) -> Email {
    Email::parse(&format!("{}@example.com", role.as_str())).unwrap()
}

impl World {
    async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            data_dir: PathBuf::from(dir.path()).join("data"),
            audit_mode: AuditMode::Durable,
            role: Role::Serve,
        };
        let store = Store::open(&config, NOW).unwrap();
        let now = Arc::new(AtomicI64::new(NOW.0));
        let reading = Arc::clone(&now);
        let console = Console {
            store: store.clone(),
            clock: Arc::new(move || UnixMillis(reading.load(Ordering::SeqCst))),
            entropy: Entropy::system(),
            inspect: Arc::new(|_slug| Box::pin(async { Inspection::default() })),
            plane: crate::plane::Plane::default(),
            check_server: Arc::new(|_record| Ok(())),
            long_work: LongWork::default(),
            hashing: Hashing::default(),
            tally: crate::ops::overview::Tally::default(),
            lints: crate::ops::builder::Lints::default(),
            views: super::Views::default(),
            pinned: crate::ops::Pinned::default(),
            walks: Walks::default(),
            checks: Arc::new(Vec::new),
            site: Arc::default(),
        };
        let pages = crate::api::router(console.clone()).merge(super::router(console.clone()));
        let router = door::guarded(pages, "127.0.0.1:8421".parse().unwrap(), Vec::new());
        let mut world = World { router, console, now, tokens: Vec::new(), _dir: dir };
        world.people().await;
        world
    }

    async fn people(&mut self) {
        let link = offer_set_up(&self.console, &cli()).await.unwrap().unwrap();
        let admin = NewAccount {
            display: "Ada <b>Lovelace</b>".to_owned(),
            password: Secret::new(PASSWORD.to_owned()),
        };
        let browser = Browser { address: None, name: "Test".to_owned() };
        let made = (admin, "admin@example.com", "Engines");
        accounts::set_up(&self.console, link.expose(), made, &browser).await.unwrap();
        for (number, role) in (1u8..).zip(ApiRole::ALL) {
            if role != ApiRole::Admin {
                self.person(&email_of(role), role).await;
            }
            let token = Token::make([number; 32]);
            let record = ApiTokenRecord {
                label: Label::parse(role.as_str()).unwrap(),
                role,
                token_hash: token.hash(),
                managed_by_file: false,
                created_at: NOW,
            };
            self.console.store.create_api_token(record).await.unwrap();
            self.tokens.push((role, token));
        }
    }

    /// Somebody with the password of the first administrator.
    async fn person(&self, email: &Email, role: ApiRole) -> PersonId {
        let admin = self.console.store.credentials(&email_of(ApiRole::Admin)).await.unwrap();
        let id = PersonId::from_bytes(self.console.entropy.bytes().unwrap());
        let person = NewPerson {
            id: id.clone(),
            display: Label::parse(role.as_str()).unwrap(),
            password: admin.unwrap().password,
            subject: None,
        };
        let made = self.console.store.create_person(person, (email.clone(), role), NOW);
        made.await.unwrap();
        id
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(self.now.load(Ordering::SeqCst))
    }

    fn pass(&self, milliseconds: i64) {
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// A session of its own for somebody of this role, who proved just now who they are.
    async fn session(&self, role: ApiRole) -> SignedIn {
        self.session_of(&email_of(role)).await
    }

    async fn session_of(&self, email: &Email) -> SignedIn {
        let found = self.console.store.credentials(email).await.unwrap().unwrap();
        let secret = Token::make(self.console.entropy.bytes().unwrap());
        let csrf = self.console.entropy.bytes().unwrap();
        let session = NewSession {
            hash: secret.hash(),
            csrf: Secret::new(csrf),
            stepped_up_until: Some(UnixMillis(self.now().0 + store::STEP_UP_MS_MAX)),
            address: "127.0.0.1".to_owned(),
            browser: "Test".to_owned(),
        };
        let of = (&found.person.id, found.version);
        self.console.store.start_session(of, session, None, self.now()).await.unwrap();
        SignedIn { secret: secret.expose().to_owned(), csrf: URL_SAFE_NO_PAD.encode(csrf) }
    }

    async fn send(&self, asked: Asked<'_>) -> Answer {
        self.send_from("127.0.0.1:5000", asked).await
    }

    async fn send_from(&self, peer: &str, asked: Asked<'_>) -> Answer {
        let mut request = asked.request();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
        // An event stream has no end.
        let streams = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let bytes = if streams { None } else { Some(body.collect().await.unwrap().to_bytes()) };
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Answer { status: parts.status, headers: parts.headers, text: text.unwrap_or_default() }
    }

    async fn get(&self, path: &str, who: Option<&SignedIn>) -> Answer {
        self.send(Asked { who, ..Asked::get(path) }).await
    }

    async fn post(&self, path: &str, who: Option<&SignedIn>, fields: &str) -> Answer {
        self.send(Asked { who, ..Asked::post(path, fields) }).await
    }
}

fn cli() -> Actor {
    Actor {
        name: store::Actor::parse("cli").unwrap(),
        role: ApiRole::Admin,
        from: "terminal".to_owned(),
        proof: Proof::Standing,
    }
}

/// A request as a browser sends it from a page of this console, unless something is changed.
#[derive(Clone)]
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    who: Option<&'a SignedIn>,
    token: Option<&'a str>,
    /// Fields of a form, without the secret.
    fields: Option<&'a str>,
    json: Option<String>,
    /// The secret that is sent along; that of the session or of the page otherwise.
    csrf: Option<&'a str>,
    origin: Option<&'a str>,
    site: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn get(path: &'a str) -> Asked<'a> {
        let (origin, site) = (None, None);
        Asked {
            method: "GET",
            path,
            who: None,
            token: None,
            fields: None,
            json: None,
            csrf: None,
            origin,
            site,
        }
    }

    fn post(path: &'a str, fields: &'a str) -> Asked<'a> {
        let (origin, site) = (Some(ORIGIN), Some("same-origin"));
        Asked { method: "POST", fields: Some(fields), origin, site, ..Asked::get(path) }
    }

    fn request(&self) -> Request<Body> {
        let mut request =
            Request::builder().method(self.method).uri(self.path).header(header::HOST, HOST);
        let mut cookies = format!("{FORM_COOKIE}={FORM_SECRET}");
        let mut csrf = FORM_SECRET;
        if let Some(who) = self.who {
            cookies = format!("{cookies}; {SESSION_COOKIE}={}", who.secret);
            // Forms of somebody who is signed in carry the secret of the session, but those
            // that need no session.
            let open = ["/sign-in", "/welcome/", "/join/", "/new-password/"];
            if !open.iter().any(|open| self.path.starts_with(open)) {
                csrf = &who.csrf;
            }
        }
        let csrf = self.csrf.unwrap_or(csrf);
        request = request.header(header::COOKIE, cookies);
        if let Some(token) = self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(origin) = self.origin {
            request = request.header(header::ORIGIN, origin);
        }
        if let Some(site) = self.site {
            request = request.header("sec-fetch-site", site);
        }
        if let Some(json) = &self.json {
            let request = request.header(header::CONTENT_TYPE, "application/json");
            return request.header(CSRF_HEADER, csrf).body(Body::from(json.clone())).unwrap();
        }
        let Some(fields) = self.fields else {
            return request.header(CSRF_HEADER, csrf).body(Body::empty()).unwrap();
        };
        let kind = "application/x-www-form-urlencoded";
        let request = request.header(header::CONTENT_TYPE, kind);
        request.body(Body::from(format!("csrf={csrf}&{fields}"))).unwrap()
    }
}
