//! The process is killed under load, at random moments and at every place beside a step that must
//! survive, and started again on what it left. What an outsider was told then still holds, and what the
//! server behind it saw stands in the audit.
//!
//! A run is drawn from its seed, which is printed; the environment says how many kills there are
//! (`cargo xtask soak kills`).

mod load;
mod proof;

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use it::gateway::{Config, Grant};
use it::long::{self, Draws};
use it::scene::{Plan, SERVER, Scene};
use it::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use load::Load;

/// Kills where nobody asks for more.
const KILLS: u64 = 20;
/// Kills of one gateway and its data.
const KILLS_OF_ONE: u64 = 10;
/// The seed where nobody says another and no more kills are asked for.
const SEED: u64 = 2026;
/// Executions after which a kill is due, at most.
const EXECUTIONS_MAX: usize = 60;
/// How long those are waited for, in milliseconds: a load may come to rest before.
const LOAD_MS_MAX: u64 = 3_000;
/// How long after a start the second kill is due, at most, in milliseconds.
const STARTING_MS_MAX: usize = 400;

/// Where the gateway stops for its kill.
const PLACES: [&str; 10] = [
    "charged",
    "queued",
    "before_begin",
    "rows_written",
    "before_commit",
    "after_commit",
    "before_anchor",
    "after_anchor",
    "before_answers",
    "after_answers",
];

/// Calls of the limit that is used up at once.
const TIGHT_MAX: usize = 5;
/// Units of the limit that is never used up.
const WIDE_MAX: usize = 1_000_000;

/// When a kill comes.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Whenever it is.
    Any,
    /// When the process comes to that place.
    At(&'static str),
    /// Whenever it is, and once more while the next process starts.
    Twice,
}

fn policy() -> Value {
    let tight = json!([
        { "counter": "tight", "window": "day", "max": TIGHT_MAX },
        { "counter": "trailing", "window": 7200, "max": TIGHT_MAX, "algorithm": "sliding" },
    ]);
    let wide = json!([{ "window": "month", "max": WIDE_MAX, "increment_from": "args.amount" }]);
    let question = json!([{ "conditions": [], "on_deny": "A person has to agree." }]);
    json!({ "version": "1", "default": "deny", "tools": {
        "read_item": { "limits": tight },
        "pay": { "limits": wide },
        "delete_all": { "deny_if": question },
        "run_sql": {},
    } })
}

/// The grant of a round, whose counters are new.
fn label(round: u64) -> String {
    format!("round-{round}")
}

/// One gateway with its data.
struct Victim {
    scene: Scene,
    points: TempDir,
    draws: Draws,
    /// Whether every call waits for its row.
    durable: bool,
}

impl Victim {
    async fn start(seed: u64) -> Self {
        let durable = seed.is_multiple_of(2);
        let points = tempfile::tempdir().expect("a folder");
        let mut plan = Plan::plain().await;
        let config = &mut plan.config;
        let mode = if durable { "durable" } else { "buffered" };
        config.audit.push(format!("mode = \"{mode}\""));
        let folder = points.path().to_string_lossy().into_owned();
        config.variables.push(("PORTCULLIS_FAILPOINTS".to_owned(), folder));
        config.policies.insert("load".to_owned(), policy());
        for round in 0..KILLS_OF_ONE {
            let label = label(round);
            let token = Config::token_of(&label);
            config.grants.push(Grant::new(&label, SERVER, Some("load"), &token));
        }
        Self { scene: plan.start().await, points, draws: Draws::from(seed), durable }
    }

    /// When the kill of a round comes: six of ten at a place, and seeds in a row come to all places.
    fn moment(seed: u64, round: u64) -> Moment {
        let nth = match round % 5 {
            3 => return Moment::Any,
            4 => return Moment::Twice,
            nth => round / 5 * 3 + nth,
        };
        let at = seed.wrapping_mul(KILLS_OF_ONE * 3 / 5).wrapping_add(nth);
        let place = PLACES.iter().cycle().nth(usize::try_from(at % 10).expect("it is small"));
        Moment::At(place.expect("there are places"))
    }

    /// Puts the gateway under load, kills it, starts it again, and looks at what is left.
    async fn round(&mut self, round: u64, moment: Moment) -> String {
        let seen_before = self.scene.log.executed_count();
        let enough = self.draws.below(EXECUTIONS_MAX);
        let load = Load::new(&self.scene, &label(round), self.draws.below(usize::MAX));
        let killer = async {
            let log = &self.scene.log;
            let ready = || async { (log.executed_count() >= seen_before + enough).then_some(()) };
            wait::poll(Duration::from_millis(LOAD_MS_MAX), ready).await;
            if let Moment::At(place) = moment {
                self.stopped_at(place).await;
            }
            self.scene.gateway.signal(rustix::process::Signal::KILL);
            load.is_over();
        };
        tokio::join!(load.run(), killer);
        let told = load.told();
        self.scene.gateway.ended().await;
        if matches!(moment, Moment::Twice) {
            let time = u64::try_from(self.draws.below(STARTING_MS_MAX)).expect("it is small");
            self.scene.gateway.spawn();
            wait::poll(Duration::from_millis(time), || async { None::<()> }).await;
            self.scene.gateway.kill().await;
        }
        self.scene.gateway.restart().await;
        let executed = self.scene.log.executed().split_off(seen_before);
        let found = proof::Proof {
            scene: &self.scene,
            label: &label(round),
            executed: &executed,
            told: &told,
            durable: self.durable,
        };
        found.check().await
    }

    /// Asks the process to stop at a place, and waits until it has.
    async fn stopped_at(&self, place: &str) {
        let asked = self.points.path().join(place);
        std::fs::write(&asked, "").expect("a file");
        let reached = asked.with_extension("reached");
        wait::until(format!("the process to come to {place}"), || async {
            reached.exists().then_some(())
        })
        .await;
        std::fs::remove_file(reached).expect("it was there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_and_seen_outlives_any_kill() {
    let asked = long::asked(long::KILLS);
    let drawn = || asked.map_or(SEED, |_many| RandomState::new().hash_one(0) >> 32);
    let seed = long::asked(long::SEED).unwrap_or_else(drawn);
    let kills = asked.unwrap_or(KILLS);
    for (nth, first) in
        (0_u64..).zip((0..kills).step_by(usize::try_from(KILLS_OF_ONE).expect("it is small")))
    {
        let seed: u64 = seed.wrapping_add(nth);
        let mut victim = Victim::start(seed).await;
        for round in 0..KILLS_OF_ONE.min(kills - first) {
            let moment = Victim::moment(seed, round);
            // Said before it is done: after a failure, this is how it is had again.
            println!("kill {}: seed {seed}, round {round}, {moment:?}", first + round);
            let facts = victim.round(round, moment).await;
            println!("  {facts}");
        }
        assert!(!victim.scene.gateway.log().contains("panicked"), "{}", victim.scene.gateway.log());
    }
}
