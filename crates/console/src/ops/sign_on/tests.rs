//! Sign-on against a small issuer of the test's own, which signs with fresh keys and lies as it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use policy::UnixMillis;
use serde_json::{Value, json};
use store::{
    ApiRole, AuditMode, Email, Entropy, Role, STEP_UP_MS_MAX, Secret, Store, StoreConfig, Token,
};

use super::{Ask, Fetched, Issuer, Returned, Settings, SignOn, SignOnError, Why, begin, finish};
use crate::ops::accounts::{Browser, Hashing, invite, visit};
use crate::ops::chain::Walks;
use crate::ops::{Actor, LongWork, Proof};
use crate::{Console, Inspection, Site};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const ISSUER: &str = "https://issuer.example";
const CLIENT: &str = "portcullis";

/// What the issuer says, and which of it is a lie.
struct State {
    claims: Value,
    /// Replaced in the token's head.
    head: Value,
    signs_with: Signer,
    publishes: Vec<Value>,
    document: Value,
    /// A bit of the signature is turned.
    damaged: bool,
    asked: Vec<Ask>,
}

#[derive(Clone)]
enum Signer {
    Es256(Arc<EcdsaKeyPair>),
    EdDsa(Arc<Ed25519KeyPair>),
}

impl Signer {
    fn es256() -> (Signer, Value) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let member = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig",
            "x": member(1), "y": member(33) });
        (Signer::Es256(Arc::new(pair)), key)
    }

    fn ed_dsa() -> (Signer, Value) {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        (
            Signer::EdDsa(Arc::new(pair)),
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "x": x }),
        )
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Signer::Es256(pair) => {
                pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            Signer::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Signer::Es256(_) => "ES256",
            Signer::EdDsa(_) => "EdDSA",
        }
    }
}

impl State {
    fn token(&self) -> String {
        let mut head = json!({ "alg": self.signs_with.name(), "kid": "k1" });
        for (name, value) in self.head.as_object().unwrap() {
            head[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&self.claims));
        let mut signature = self.signs_with.sign(signed.as_bytes());
        if self.damaged {
            signature[10] ^= 1;
        }
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn answer(&mut self, ask: Ask) -> Fetched {
        let body = match ask.url.strip_prefix(ISSUER).unwrap() {
            "/.well-known/openid-configuration" => self.document.clone(),
            "/keys" => json!({ "keys": self.publishes }),
            "/token" => json!({ "token_type": "Bearer", "id_token": self.token() }),
            other => panic!("nobody serves {other}"),
        };
        self.asked.push(ask);
        Fetched { status: 200, body: Bytes::from(body.to_string()) }
    }
}

struct World {
    console: Console,
    state: Arc<Mutex<State>>,
    _dir: tempfile::TempDir,
}

fn world(change: impl FnOnce(&mut Settings)) -> World {
    let (signs_with, key) = Signer::es256();
    let document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}/keys"),
    });
    let seconds = NOW.0 / 1_000;
    let claims = json!({ "iss": ISSUER, "sub": "248289761001", "aud": CLIENT, "iat": seconds,
        "exp": seconds + 300, "email": "Ada@example.com", "email_verified": true, "name": "Ada" });
    let state = Arc::new(Mutex::new(State {
        claims,
        head: json!({}),
        signs_with,
        publishes: vec![key],
        document,
        damaged: false,
        asked: Vec::new(),
    }));
    let asked = Arc::clone(&state);
    let issuer = Issuer::new(Arc::new(move |ask| {
        let answer = asked.lock().unwrap().answer(ask);
        Box::pin(async move { Ok(answer) })
    }));
    let mut settings = Settings {
        issuer: ISSUER.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(Secret::new("s e:cret".to_owned())),
        redirect_uri: "https://console.example/sign-in/callback".to_owned(),
        domains: Vec::new(),
        role_for_new: None,
    };
    change(&mut settings);
    let sign_on = Some(SignOn { settings, issuer: Arc::new(issuer) });
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        data_dir: PathBuf::from(dir.path()).join("data"),
        audit_mode: AuditMode::Durable,
        role: Role::Serve,
    };
    let console = Console {
        store: Store::open(&config, NOW).unwrap(),
        clock: Arc::new(|| NOW),
        entropy: Entropy::system(),
        inspect: Arc::new(|_slug| Box::pin(async { Inspection::default() })),
        plane: crate::plane::Plane::default(),
        check_server: Arc::new(|_record| Ok(())),
        long_work: LongWork::default(),
        hashing: Hashing::default(),
        tally: crate::ops::overview::Tally::default(),
        lints: crate::ops::builder::Lints::default(),
        views: crate::ui::Views::default(),
        pinned: crate::ops::Pinned::default(),
        walks: Walks::default(),
        checks: Arc::new(Vec::new),
        site: Arc::new(Site { sign_on, ..Site::default() }),
    };
    World { console, state, _dir: dir }
}

fn cli() -> Actor {
    Actor {
        name: store::Actor::parse("cli").unwrap(),
        role: ApiRole::Admin,
        from: "terminal".to_owned(),
        proof: Proof::Standing,
    }
}

impl World {
    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    async fn invited(&self) {
        let ada = (Email::parse("ada@example.com").unwrap(), ApiRole::Approver);
        invite(&self.console, &cli(), ada).await.unwrap();
    }

    /// A whole sign-in, which the issuer answers as it is told; its role and whether the proof is fresh.
    async fn sign_in(&self, why: Why) -> Result<(ApiRole, bool), SignOnError> {
        let begun = begin(&self.console, "/policies", why).await?;
        let query = query(&begun.url);
        self.tell(|state| {
            if state.claims.get("nonce").is_none() {
                state.claims["nonce"] = json!(query["nonce"]);
            }
        });
        let returned = Returned {
            state: Some(query["state"].clone()),
            code: Some("a code".to_owned()),
            iss: Some(ISSUER.to_owned()),
            error: None,
        };
        let ended = finish(&self.console, (&begun.carried, None), returned, &browser()).await;
        self.tell(|state| {
            state.claims.as_object_mut().unwrap().remove("nonce");
        });
        let ended = ended?;
        assert_eq!(ended.next, "/policies");
        let visit = visit(&self.console, ended.opened.secret.expose()).await.unwrap().unwrap();
        Ok((visit.person.role, visit.session.stepped_up_until.is_some()))
    }
}

fn browser() -> Browser {
    Browser { address: None, name: "Test".to_owned() }
}

fn query(url: &str) -> BTreeMap<String, String> {
    serde_urlencoded::from_str(url.split_once('?').unwrap().1).unwrap()
}

#[tokio::test]
async fn somebody_who_was_invited_comes_in_and_comes_again() {
    let world = world(|_| {});
    assert!(matches!(world.sign_in(Why::SignIn).await, Err(SignOnError::NoAccount)));
    world.invited().await;
    assert_eq!(world.sign_in(Why::SignIn).await.unwrap(), (ApiRole::Approver, false));
    // From now on the subject counts, whatever their address is there.
    world.tell(|state| state.claims["email"] = json!("renamed@example.net"));
    assert_eq!(world.sign_in(Why::SignIn).await.unwrap(), (ApiRole::Approver, false));
    world.tell(|state| {
        state.claims["email"] = json!("ada@example.com");
        state.claims["sub"] = json!("somebody else");
    });
    assert!(matches!(world.sign_in(Why::SignIn).await, Err(SignOnError::NoAccount)));
}

#[tokio::test]
async fn the_flow_has_a_challenge_and_the_secret_goes_to_the_issuer_alone() {
    let world = world(|_| {});
    world.invited().await;
    let begun = begin(&world.console, "/", Why::SignIn).await.unwrap();
    let asked = query(&begun.url);
    assert!(begun.url.starts_with("https://issuer.example/authorize?"));
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["code_challenge"].len(), 43);
    assert!(!begun.carried.contains(&asked["state"]) && !asked.contains_key("prompt"));
    world.sign_in(Why::SignIn).await.unwrap();
    let state = world.state.lock().unwrap();
    let token = state.asked.iter().find(|ask| ask.url.ends_with("/token")).unwrap();
    let form: BTreeMap<String, String> =
        serde_urlencoded::from_str(token.form.as_ref().unwrap().expose()).unwrap();
    assert_eq!(
        (form["grant_type"].as_str(), form["code"].as_str()),
        ("authorization_code", "a code")
    );
    assert_eq!(form["code_verifier"].len(), 43);
    // `portcullis:s+e%3Acret`, as RFC 6749 section 2.3.1 encodes it.
    let basic = token.authorization.as_ref().unwrap().expose();
    assert_eq!(basic, "Basic cG9ydGN1bGxpczpzK2UlM0FjcmV0");
    let sent = policy::sha256(form["code_verifier"].as_bytes());
    assert_ne!(URL_SAFE_NO_PAD.encode(sent.0), asked["code_challenge"], "of another flow");
}

#[tokio::test]
async fn what_was_not_begun_in_this_browser_is_not_ended_in_it() {
    let world = world(|_| {});
    world.invited().await;
    let mine = begin(&world.console, "/", Why::SignIn).await.unwrap();
    let other = begin(&world.console, "/", Why::SignIn).await.unwrap();
    let back = |state: &str, iss: Option<&str>| Returned {
        state: Some(state.to_owned()),
        code: Some("a code".to_owned()),
        iss: iss.map(str::to_owned),
        error: None,
    };
    let mine_state = query(&mine.url)["state"].clone();
    let other_state = query(&other.url)["state"].clone();
    let cut = mine.carried.strip_suffix(char::is_alphanumeric).unwrap_or("x").to_owned();
    for (carried, returned) in [
        ("", back(&mine_state, None)),
        ("nonsense", back(&mine_state, None)),
        (cut.as_str(), back(&mine_state, None)),
        (mine.carried.as_str(), back(&other_state, None)),
        (mine.carried.as_str(), back("", None)),
        (mine.carried.as_str(), Returned::default()),
        (mine.carried.as_str(), back(&mine_state, Some("https://evil.example"))),
    ] {
        let ended = finish(&world.console, (carried, None), returned, &browser()).await;
        assert!(matches!(ended, Err(SignOnError::NotBegun)), "{ended:?}");
    }
    let refused = Returned { error: Some("access_denied\n".to_owned()), ..back(&mine_state, None) };
    let ended = finish(&world.console, (&mine.carried, None), refused, &browser()).await;
    assert!(matches!(ended, Err(SignOnError::Refused(word)) if word == "access_denied"));
}

#[tokio::test]
async fn the_session_of_before_ends_with_a_sign_on() {
    let world = world(|_| {});
    world.invited().await;
    let mut before: Option<Token> = None;
    for why in [Why::SignIn, Why::Again] {
        let begun = begin(&world.console, "/", why).await.unwrap();
        let asked = query(&begun.url);
        world.tell(|state| {
            state.claims["nonce"] = json!(asked["nonce"]);
            state.claims["auth_time"] = json!(NOW.0 / 1_000);
        });
        let returned = Returned {
            state: Some(asked["state"].clone()),
            code: Some("a code".to_owned()),
            ..Returned::default()
        };
        let carried = (begun.carried.as_str(), before.as_ref().map(Token::hash));
        let ended = finish(&world.console, carried, returned, &browser()).await.unwrap();
        if let Some(before) = &before {
            assert!(visit(&world.console, before.expose()).await.unwrap().is_none());
        }
        assert!(visit(&world.console, ended.opened.secret.expose()).await.unwrap().is_some());
        before = Some(ended.opened.secret);
    }
}

#[tokio::test]
async fn tokens_that_are_not_for_this_sign_in_are_refused() {
    let world = world(|_| {});
    world.invited().await;
    let good = world.state.lock().unwrap().claims.clone();
    let seconds = NOW.0 / 1_000;
    let lies = [
        ("iss", json!("https://evil.example")),
        ("aud", json!("somebody-else")),
        ("aud", json!(["portcullis", "somebody-else"])),
        ("azp", json!("somebody-else")),
        ("nonce", json!("of another sign-in")),
        ("nonce", Value::Null),
        ("exp", json!(seconds - 61)),
        ("iat", json!(seconds + 61)),
        ("exp", json!("soon")),
    ];
    for (name, value) in lies {
        world.tell(|state| {
            state.claims = good.clone();
            state.claims[name] = value.clone();
        });
        let refused = world.sign_in(Why::SignIn).await;
        assert!(matches!(refused, Err(SignOnError::Issuer(_))), "{name}: {value}");
    }
    world.tell(|state| state.claims = good.clone());
    for head in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "EdDSA" }),
        json!({ "kid": "k2" }),
        json!({ "crit": ["exp"] }),
    ] {
        world.tell(|state| state.head = head.clone());
        let refused = world.sign_in(Why::SignIn).await;
        assert!(matches!(refused, Err(SignOnError::Issuer(_))), "{head}");
    }
    world.tell(|state| state.head = json!({}));
    world.tell(|state| state.damaged = true);
    assert!(matches!(world.sign_in(Why::SignIn).await, Err(SignOnError::Issuer(_))));
    world.tell(|state| state.damaged = false);
    world.tell(|state| state.signs_with = Signer::es256().0);
    assert!(matches!(world.sign_in(Why::SignIn).await, Err(SignOnError::Issuer(_))), "its own key");
}

#[tokio::test]
async fn other_signatures_that_are_taken_and_addresses_that_are_not() {
    let world = world(|_| {});
    world.invited().await;
    world.tell(|state| state.claims["email_verified"] = json!(false));
    assert!(matches!(world.sign_in(Why::SignIn).await, Err(SignOnError::NoAccount)));
    world.tell(|state| {
        state.claims["email_verified"] = json!(true);
        let (signs_with, key) = Signer::ed_dsa();
        (state.signs_with, state.publishes) = (signs_with, vec![key]);
    });
    // The keys are kept for an hour: what is kept is another key of the same name.
    let refused = world.sign_in(Why::SignIn).await;
    assert!(matches!(refused, Err(SignOnError::Issuer(_))));
}

#[tokio::test]
async fn an_issuer_that_names_another_one_or_an_open_address_is_not_asked_further() {
    for (name, value) in [
        ("issuer", "https://evil.example"),
        ("token_endpoint", "http://issuer.example/token"),
        ("jwks_uri", "file:///etc/passwd"),
        ("authorization_endpoint", "javascript:alert(1)"),
    ] {
        let world = world(|_| {});
        world.tell(|state| state.document[name] = json!(value));
        let begun = begin(&world.console, "/", Why::SignIn).await;
        assert!(matches!(begun, Err(SignOnError::Issuer(_))), "{name}");
    }
}

#[tokio::test]
async fn new_people_of_a_trusted_domain_come_in_only_if_the_file_says_so() {
    let world = world(|settings| {
        settings.domains = vec!["example.com".to_owned()];
        settings.role_for_new = Some(ApiRole::Viewer);
    });
    world.tell(|state| state.claims["email"] = json!("ada@example.com.evil.example"));
    assert!(matches!(world.sign_in(Why::SignIn).await, Err(SignOnError::NoAccount)));
    world.tell(|state| state.claims["email"] = json!("ada@example.com"));
    assert_eq!(world.sign_in(Why::SignIn).await.unwrap(), (ApiRole::Viewer, false));
}

#[tokio::test]
async fn only_a_proof_that_the_issuer_asked_for_just_now_is_fresh() {
    let world = world(|_| {});
    world.invited().await;
    world.sign_in(Why::SignIn).await.unwrap();
    let refused = world.sign_in(Why::Again).await;
    assert!(matches!(refused, Err(SignOnError::Refused(_))), "it did not say when it asked");
    let seconds = NOW.0 / 1_000;
    world.tell(|state| state.claims["auth_time"] = json!(seconds - STEP_UP_MS_MAX / 1_000));
    assert!(matches!(world.sign_in(Why::Again).await, Err(SignOnError::Refused(_))), "long ago");
    world.tell(|state| state.claims["auth_time"] = json!(seconds - 10));
    assert_eq!(world.sign_in(Why::Again).await.unwrap(), (ApiRole::Approver, true));
    let begun = begin(&world.console, "/", Why::Again).await.unwrap();
    assert_eq!(query(&begun.url)["prompt"], "login");
}
