//! The wall clock is set back and forward, by an hour and by ten years, while the gateway runs and
//! while it is down: no window opens again, nothing that was used up comes back, nothing falls over.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use it::gateway::{Config, Gateway, Grant, Server};
use it::recorder::{Log, Options, Recorder};
use it::scene::{SERVER, Scene, decision, denied, held, ran};
use it::wait;
use jiff::Timestamp;
use serde_json::{Value, json};

const HOUR: i64 = 3_600;
/// Ten years of 365 days: 2031 becomes 2041, or 2021.
const TEN_YEARS: i64 = 10 * 365 * 86_400;
/// A Wednesday, far from the beginning and the end of every window, in UTC.
const NOON: &str = "2031-06-18T12:30:00Z";
/// What each window has room for.
const MAX: usize = 2;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// A gateway whose clock stands at noon, or at some time from there.
struct Clock {
    scene: Scene,
    /// From the machine's clock to noon.
    to_noon: i64,
}

/// How the clock comes to stand where it does.
#[derive(Debug, Clone, Copy)]
enum Jump {
    /// The gateway runs all the while.
    Running,
    /// It is killed, and started again.
    Down,
}

const JUMPS: [Jump; 2] = [Jump::Running, Jump::Down];

impl Clock {
    async fn at_noon(grants: Vec<(String, Value, Vec<String>)>) -> Self {
        let noon: Timestamp = NOON.parse().expect("an instant");
        let to_noon = noon.as_second() - Timestamp::now().as_second();
        let log = Log::default();
        let recorder = Recorder::start(Options::strict(SERVER), log.clone()).await;
        let mut config = Config::with_servers(vec![Server::of(SERVER, &recorder)]);
        for (label, policy, lines) in grants {
            config.policies.insert(label.clone(), policy);
            let mut grant = Grant::new(&label, SERVER, Some(&label), &Config::token_of(&label));
            grant.lines = lines;
            config.grants.push(grant);
        }
        let gateway = Gateway::start_at(config, &format!("{to_noon:+}")).await;
        Self { scene: Scene { gateway, recorder, log }, to_noon }
    }

    /// Sets the clock to noon and so many seconds.
    fn set(&self, seconds: i64) {
        self.scene.gateway.set_clock(&format!("{:+}", self.to_noon + seconds));
    }

    async fn jump(&mut self, seconds: i64, jump: Jump) {
        match jump {
            Jump::Running => self.set(seconds),
            Jump::Down => {
                self.scene.gateway.kill().await;
                self.set(seconds);
                self.scene.gateway.restart().await;
            }
        }
    }

    /// The end of each test: it still runs, and its audit is whole.
    async fn is_well(&self) {
        let gateway = &self.scene.gateway;
        let verified = gateway.command(&["audit", "verify"]).output().await.expect("it runs");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        let log = gateway.log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }
}

/// What has room after a jump, given whether an hour is enough for its window: nothing, what is over
/// after an hour, or everything.
type Opens = fn(bool) -> bool;

/// A window, and whether an hour is enough for it to be over.
fn windows() -> Vec<(&'static str, Value, bool)> {
    let sliding = |window: Value| json!({ "window": window, "max": MAX, "algorithm": "sliding" });
    let fixed = |window: Value| json!({ "window": window, "max": MAX });
    vec![
        ("minute", fixed("minute".into()), true),
        ("hour", fixed("hour".into()), true),
        ("day", fixed("day".into()), false),
        ("week", fixed("week".into()), false),
        ("month", fixed("month".into()), false),
        ("year", fixed(31_536_000.into()), false),
        ("sliding-hour", sliding(3_600.into()), true),
        ("sliding-day", sliding("day".into()), false),
        ("sliding-year", sliding(31_536_000.into()), false),
    ]
}

fn limited(limits: Value) -> Value {
    json!({ "version": "1", "default": "deny", "tools": { "read_item": { "limits": limits } } })
}

impl Clock {
    /// How many calls of the grant run until one is denied.
    async fn room(&self, label: &str) -> usize {
        for room in 0.. {
            let answer = self.scene.call(label, "read_item", json!({})).await;
            if !ran(&answer) {
                assert_eq!(decision(&answer)["reason"], "limit_exceeded", "{}", answer.text());
                return room;
            }
        }
        unreachable!("some call is denied")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_jump_of_the_clock_opens_a_window_again() {
    let grants = windows()
        .into_iter()
        .map(|(label, limit, _hour)| (label.to_owned(), limited(json!([limit])), Vec::new()));
    let mut clock = Clock::at_noon(grants.collect()).await;
    let (nothing, short, all): (Opens, Opens, Opens) = (|_| false, |short| short, |_| true);
    let course: [(i64, Opens); 14] = [
        (0, all),
        (-HOUR, nothing),
        (-TEN_YEARS, nothing),
        (0, nothing),
        (HOUR, short),
        (0, nothing),
        (HOUR, nothing),
        (-TEN_YEARS, nothing),
        (TEN_YEARS, all),
        (0, nothing),
        (TEN_YEARS, nothing),
        (-HOUR, nothing),
        (-TEN_YEARS, nothing),
        (TEN_YEARS + HOUR, short),
    ];
    for (seconds, opens) in course {
        for (nth, jump) in JUMPS.into_iter().enumerate() {
            clock.jump(seconds, jump).await;
            for (label, _limit, hour) in windows() {
                let is_minute = label == "minute";
                let expected = if nth == 0 && opens(hour) { MAX } else { 0 };
                let room = clock.room(label).await;
                // A minute may pass by itself, and its window need not outlive a kill.
                let by_itself = is_minute && room <= MAX;
                assert!(room == expected || by_itself, "{label} at {seconds} {jump:?}: {room}");
            }
        }
    }
    clock.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_a_leaping_clock_stay_within_what_its_days_have_room_for() {
    const CALLS: usize = 400;
    const CALLERS: usize = 20;
    const K: usize = 10;
    let limit = json!({ "window": "day", "max": K });
    let running = json!({ "window": "in_flight", "max": CALLERS });
    let policy = limited(json!([limit, running]));
    let clock = Clock::at_noon(vec![("agent".to_owned(), policy, Vec::new())]).await;
    let left = AtomicUsize::new(CALLS);
    let over = AtomicBool::new(false);
    let take =
        || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    let caller = || async {
        while take().is_ok() {
            let answer = clock.scene.call("agent", "read_item", json!({})).await;
            assert!(ran(&answer) || denied(&answer), "{}", answer.text());
        }
    };
    let calls = async {
        join_all((0..CALLERS).map(|_n| caller())).await;
        over.store(true, Ordering::Relaxed);
    };
    let leaps = async {
        let course = [0, -HOUR, TEN_YEARS, HOUR, -TEN_YEARS, 0, TEN_YEARS, -HOUR];
        for seconds in course.into_iter().cycle() {
            if over.load(Ordering::Relaxed) {
                break;
            }
            clock.set(seconds);
            let before = left.load(Ordering::Relaxed);
            wait::until("some calls", || async {
                let some = before - left.load(Ordering::Relaxed) >= 5;
                (some || over.load(Ordering::Relaxed)).then_some(())
            })
            .await;
        }
    };
    tokio::join!(calls, leaps);
    // Two days were seen: noon's, and the one in ten years.
    let executed = clock.scene.log.executed_count();
    assert!((K..=2 * K).contains(&executed), "{executed}");
    clock.set(TEN_YEARS);
    clock.room("agent").await;
    assert!(clock.scene.log.executed_count() <= 2 * K);
    clock.set(0);
    assert_eq!(clock.room("agent").await, 0);
    clock.is_well().await;
}

fn ask_always() -> Value {
    let question = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

impl Clock {
    /// Whether the token of a grant lets anybody in.
    async fn opens(&self, label: &str) -> bool {
        let answer = self.scene.post(label, PING).await;
        assert!(matches!(answer.status, 200 | 401), "{}", answer.text());
        answer.status == 200
    }

    async fn tries(&self, scope: &str) -> it::wire::Answer {
        self.scene.call("agent", "delete_all", json!({ "scope": scope })).await
    }

    async fn approved(&self, scope: &str) {
        let answer = self.tries(scope).await;
        assert!(held(&answer), "{}", answer.text());
        let id = decision(&answer)["approval"]["id"].as_str().expect("an id").to_owned();
        let said = self.scene.gateway.decide(&id, "approve").await;
        assert_eq!(said.status / 100, 2, "{}", said.text());
    }

    fn runs_of(&self, scope: &str) -> usize {
        let executed = self.scene.log.executed();
        executed.iter().filter(|call| call.arguments["scope"] == scope).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_serves_once_and_not_after_its_end_whatever_the_clock_does() {
    for jump in JUMPS {
        let grants = vec![("agent".to_owned(), ask_always(), Vec::new())];
        let mut clock = Clock::at_noon(grants).await;
        for scope in ["used", "unused", "late", "old"] {
            clock.approved(scope).await;
        }
        assert!(ran(&clock.tries("used").await));
        // Its hour has not begun, as far as anybody can tell: it serves, once.
        clock.jump(-TEN_YEARS, jump).await;
        assert!(!ran(&clock.tries("used").await), "{jump:?}");
        assert!(ran(&clock.tries("old").await), "{jump:?}");
        clock.jump(2 * HOUR, jump).await;
        for scope in ["used", "old", "late"] {
            assert!(!ran(&clock.tries(scope).await), "{scope} {jump:?}");
        }
        clock.jump(TEN_YEARS, jump).await;
        assert!(!ran(&clock.tries("late").await), "{jump:?}");
        // Back at noon: whatever else may be, nothing serves twice.
        clock.jump(0, jump).await;
        for scope in ["used", "old", "late", "unused"] {
            for _time in 0..2 {
                clock.tries(scope).await;
            }
            assert!(clock.runs_of(scope) <= 1, "{scope} {jump:?}");
        }
        clock.approved("new").await;
        assert!(ran(&clock.tries("new").await), "{jump:?}");
        assert!(!ran(&clock.tries("new").await), "{jump:?}");
        clock.is_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_over_after_its_end_and_not_before() {
    let noon: Timestamp = NOON.parse().expect("an instant");
    let ends = noon + jiff::SignedDuration::from_hours(2);
    let lines = vec![format!("expires = \"{ends}\"")];
    let grants = vec![
        ("ends".to_owned(), limited(json!([])), lines),
        ("stays".to_owned(), limited(json!([])), Vec::new()),
    ];
    let mut clock = Clock::at_noon(grants).await;
    let course =
        [(HOUR, true), (3 * HOUR, false), (0, true), (-TEN_YEARS, true), (TEN_YEARS, false)];
    for (seconds, open) in course {
        clock.jump(seconds, Jump::Down).await;
        assert_eq!(clock.opens("ends").await, open, "{seconds}");
        assert!(clock.opens("stays").await, "{seconds}");
    }
    clock.jump(0, Jump::Down).await;
    for seconds in [HOUR, -HOUR, -TEN_YEARS, 0, 3 * HOUR, TEN_YEARS] {
        clock.set(seconds);
        assert_eq!(clock.opens("ends").await, seconds < 2 * HOUR, "{seconds}");
        assert!(clock.opens("stays").await, "{seconds}");
    }
    let other = json!({ "label": "other", "server": SERVER, "token": Config::token_of("other") });
    assert_eq!(clock.scene.gateway.api("POST", "grants", Some(other)).await.status, 201);
    wait::until("the state with another grant", || async {
        clock.opens("other").await.then_some(())
    })
    .await;
    // A state that was built in the meantime left the grant out: the next one is built in a second.
    clock.set(0);
    wait::until("the grant whose end is ahead again", || async {
        clock.opens("ends").await.then_some(())
    })
    .await;
    clock.is_well().await;
}
