//! Of many calls at the same time exactly as many run as the limits have room for: every kind of
//! limit of `cases/exactly.json`, over real HTTP, counted by the server behind the gateway.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use it::gateway::{Config, Gateway, Grant, Server};
use it::recorder::{Fault, Log, Options, Recorder};
use it::scene::{SERVER, call_body, denied, ran};
use it::wire::{self, Answer, Ask};
use it::{long, places, wait};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Calls at the same time.
const CALLS: usize = 200;
/// How many may pass.
const MAXIMA: [usize; 3] = [1, 3, 50];
/// The servers of the cases that have two.
const SERVERS: [&str; 2] = [SERVER, "beta"];
/// Amounts have six decimals.
const UNITS: f64 = 1_000_000.0;

fn one() -> usize {
    1
}

fn plain_calls() -> Vec<f64> {
    vec![1.0]
}

/// One kind of limit, for any number K that is to pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The limits of the tool; `max_of_k: [a, b]` stands for `max: a * K + b`.
    limits: Vec<Map<String, Value>>,
    /// What the calls ask for, in turn.
    #[serde(default = "plain_calls")]
    amounts: Vec<f64>,
    /// Grants that call, in turn.
    #[serde(default = "one")]
    agents: usize,
    /// Servers that the grants are for, in turn.
    #[serde(default = "one")]
    servers: usize,
    /// Sessions in which each grant calls, in turn; none: it calls without.
    #[serde(default)]
    sessions: usize,
    /// How many times K pass.
    #[serde(default = "one")]
    shares: usize,
    /// Whether the calls run on until all others were refused.
    #[serde(default)]
    held: bool,
    /// Whether there is room again once they ended.
    #[serde(default)]
    free_afterwards: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let text = std::fs::read_to_string(places::own("cases/exactly.json")).expect("the cases");
        serde_json::from_str(&text).expect("cases as they should be")
    }

    fn policy(&self, k: usize) -> Value {
        let limits = self.limits.iter().cloned().map(|mut limit| {
            let of_k = limit.remove("max_of_k").expect("`max_of_k`");
            let [times, plus]: [f64; 2] = serde_json::from_value(of_k).expect("two numbers");
            limit.insert("max".to_owned(), json!(number(k).mul_add(times, plus)));
            Value::Object(limit)
        });
        let limits: Vec<Value> = limits.collect();
        json!({ "version": "1", "default": "deny", "tools": { "pay": { "limits": limits } } })
    }

    fn amount(&self, call: usize) -> f64 {
        self.amounts[call % self.amounts.len()]
    }

    /// The units that pass where calls are of different size.
    fn units_max(&self, k: usize) -> f64 {
        let policy = self.policy(k);
        policy["tools"]["pay"]["limits"][0]["max"].as_f64().expect("a number") * UNITS
    }

    fn is_even(&self) -> bool {
        self.amounts.len() == 1
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a small number"))
}

/// The rounds of one case: a grant of its own for each, so that its counters are new.
struct Rounds<'a> {
    case: &'a Case,
    gateway: Gateway,
    recorders: Vec<Recorder>,
    log: Log,
}

fn label(round: usize, agent: usize) -> String {
    format!("round-{round}-{agent}")
}

impl<'a> Rounds<'a> {
    async fn start(case: &'a Case, rounds: &[usize]) -> Self {
        let log = Log::default();
        let mut recorders = Vec::new();
        for name in &SERVERS[..case.servers] {
            let options = Options::strict(name);
            let options = if case.sessions > 0 { options.stateful() } else { options };
            recorders.push(Recorder::start(options, log.clone()).await);
        }
        let servers = SERVERS.iter().zip(&recorders);
        let mut config =
            Config::with_servers(servers.map(|(name, it)| Server::of(name, it)).collect());
        for &round in rounds {
            let mut policy = case.policy(MAXIMA[round % MAXIMA.len()]);
            // What grants share is new in each round by its name.
            for limit in policy["tools"]["pay"]["limits"].as_array_mut().expect("limits") {
                let counter = limit["counter"].as_str().unwrap_or("own");
                limit["counter"] = format!("{counter}-{round}").into();
            }
            for agent in 0..case.agents {
                let label = label(round, agent);
                config.policies.insert(label.clone(), policy.clone());
                let server = SERVERS[agent % case.servers];
                let grant = Grant::new(&label, server, Some(&label), &Config::token_of(&label));
                config.grants.push(grant);
            }
        }
        Self { case, gateway: Gateway::start(config).await, recorders, log }
    }

    /// The sessions of a round's grant, opened.
    async fn sessions(&self, round: usize, agent: usize) -> Vec<String> {
        let token = Config::token_of(&label(round, agent));
        let mut sessions = Vec::new();
        for _session in 0..self.case.sessions {
            let hello = crate::regressions::hello_body("exact");
            let answer =
                self.gateway.post(SERVERS[agent % self.case.servers], &token, &hello).await;
            sessions.push(answer.header("mcp-session-id").expect("a session").to_owned());
        }
        sessions
    }

    async fn asks(&self, round: usize) -> Vec<Ask> {
        let mut sessions = Vec::new();
        for agent in 0..self.case.agents {
            sessions.push(self.sessions(round, agent).await);
        }
        let ask = |call: usize| {
            let agent = call % self.case.agents;
            let target = format!("/mcp/{}", SERVERS[agent % self.case.servers]);
            let token = Config::token_of(&label(round, agent));
            let arguments = json!({ "amount": self.case.amount(call), "account": call });
            let ask = Ask::mcp(&target, &token, call_body(1, "pay", &arguments));
            let own = &sessions[agent];
            match own.get((call / self.case.agents) % own.len().max(1)) {
                Some(session) => ask.with("Mcp-Session-Id", session),
                None => ask,
            }
        };
        (0..CALLS).map(ask).collect()
    }

    async fn round(&self, round: usize) {
        let k = MAXIMA[round % MAXIMA.len()];
        let what = format!("{}, K = {k}, round {round}", self.case.name);
        let asks = self.asks(round).await;
        let before = self.log.executed_count();
        let answers = if self.case.held {
            self.held(&asks, k * self.case.shares, &what).await
        } else {
            join_all(asks.iter().map(|ask| self.send(ask))).await
        };
        let runs = answers.iter().filter(|answer| ran(answer)).count();
        let refused = answers.iter().filter(|answer| denied(answer)).count();
        assert_eq!(runs + refused, CALLS, "{what}: each ran or was denied");
        assert_eq!(self.log.executed_count() - before, runs, "{what}: what the server saw");
        if self.case.is_even() {
            assert_eq!(runs, k * self.case.shares, "{what}");
        } else {
            self.check_units(&answers, k, &what);
        }
        if self.case.held {
            self.recorders.iter().for_each(|recorder| recorder.set_fault(None));
            let again = self.send(&asks[0]).await;
            assert_eq!(ran(&again), self.case.free_afterwards, "{what}: afterwards");
        }
    }

    /// Calls of different size: they fit together, and none that was refused would fit still.
    fn check_units(&self, answers: &[Answer], k: usize, what: &str) {
        let sum: f64 = answers
            .iter()
            .enumerate()
            .filter(|(_call, answer)| ran(answer))
            .map(|(call, _answer)| self.case.amount(call) * UNITS)
            .sum();
        let max = self.case.units_max(k);
        assert!(sum <= max, "{what}: {sum} of {max} units");
        for (call, _refused) in answers.iter().enumerate().filter(|(_call, answer)| denied(answer))
        {
            let amount = self.case.amount(call) * UNITS;
            assert!(sum + amount > max, "{what}: {amount} more fit beside {sum} of {max}");
        }
    }

    /// All calls, of which those that run end once all others are answered.
    async fn held(&self, asks: &[Ask], places: usize, what: &str) -> Vec<Answer> {
        let before = self.log.executed_count();
        self.recorders.iter().for_each(|recorder| recorder.set_fault(Some(Fault::Held)));
        let answered = AtomicUsize::new(0);
        let calls = asks.iter().map(|ask| async {
            let answer = self.send(ask).await;
            answered.fetch_add(1, Ordering::Relaxed);
            answer
        });
        let release = async {
            wait::until(format!("all but those that run ({what})"), || async {
                let done = answered.load(Ordering::Relaxed) == CALLS - places;
                (done && self.log.executed_count() - before == places).then_some(())
            })
            .await;
            self.recorders.iter().for_each(|recorder| recorder.release(places));
        };
        let (answers, ()) = tokio::join!(join_all(calls), release);
        answers
    }

    async fn send(&self, ask: &Ask) -> Answer {
        wire::ask(self.gateway.door, ask).await.expect("the gateway answers")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_as_many_as_the_limit_run() {
    let cases = Case::all();
    let least = cases.len() * MAXIMA.len();
    let rounds = long::asked(long::ROUNDS).and_then(|rounds| usize::try_from(rounds).ok());
    let rounds = rounds.unwrap_or(least).max(least);
    // Rounds go to the cases in turn, and for each case the maxima in turn.
    for (at, case) in cases.iter().enumerate() {
        let own: Vec<usize> =
            (0..rounds).filter(|round| round / MAXIMA.len() % cases.len() == at).collect();
        let scene = Rounds::start(case, &own).await;
        for round in own {
            scene.round(round).await;
        }
        println!("{}: as it should be", case.name);
    }
}
