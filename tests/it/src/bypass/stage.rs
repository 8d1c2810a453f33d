//! Where a case plays: two recorders, a gateway in front of them, and grants. Also what holds after
//! every case, whatever it was.

use serde_json::{Value, json};

use super::case::{Case, Expect};
use super::input::{self, Names};
use super::judge;
use crate::gateway::{Config, Gateway, Grant, Server};
use crate::recorder::{Log, Options, Personality, Recorder};
use crate::wire::{self, Answer};

/// The servers' slugs.
pub(super) const SERVER_A: &str = "alpha";
/// The other server's slug.
pub(super) const SERVER_B: &str = "beta";
/// The token of the grant that must always work.
const HEALTHY_TOKEN: &str = "token-of-the-healthy-grant";
/// Methods that the gateway sends on its own account.
const HOUSEKEEPING: [&str; 8] = [
    "initialize",
    "notifications/initialized",
    "server/discover",
    "tools/list",
    "ping",
    "prompts/list",
    "resources/list",
    "notifications/cancelled",
];

/// Recorders, a gateway, and what happened so far.
pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) alpha: Recorder,
    pub(super) beta: Recorder,
    pub(super) log: Log,
    grants: Vec<String>,
}

/// The tokens of one case.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) a: String,
    pub(super) a2: String,
    pub(super) b: String,
}

impl Tokens {
    fn of(case: &Case) -> Self {
        let id: String = case.id.chars().filter(char::is_ascii_alphanumeric).collect();
        Self {
            a: format!("first-token-of-case-{id}"),
            a2: format!("second-token-of-case-{id}"),
            b: format!("other-token-of-case-{id}"),
        }
    }
}

/// Where the log stood when a case began.
struct Marks {
    executed: usize,
    forwarded: usize,
    requests: usize,
}

impl Stage {
    /// A stage for many cases, each with grants of its own.
    pub(super) async fn shared(cases: &[&Case], personality: Personality) -> Self {
        Self::build(cases, personality, false).await
    }

    /// A stage for one case, with what it needs.
    pub(super) async fn alone(case: &Case, personality: Personality) -> Self {
        Self::build(&[case], personality, case.needs("faketime")).await
    }

    async fn build(cases: &[&Case], personality: Personality, clock: bool) -> Self {
        let log = Log::default();
        let stateful = cases.iter().any(|case| case.needs("stateful"));
        let option = |name: &'static str| {
            let options = Options::strict(name).reading(personality);
            if stateful { options.stateful() } else { options }
        };
        let alpha = Recorder::start(option("alpha"), log.clone()).await;
        let beta = Recorder::start(option("beta"), log.clone()).await;
        let piped = cases.iter().any(|case| case.needs("stdio"));
        let server = if piped { Server::piped } else { Server::of };
        let servers = vec![server(SERVER_A, &alpha), server(SERVER_B, &beta)];
        let mut config = Config::with_servers(servers);
        let healthy = json!({ "version": "1", "default": "deny", "tools": { "read_item": {} } });
        config.policies.insert("healthy".to_owned(), healthy);
        config.grants.push(Grant::new("healthy", SERVER_A, Some("healthy"), HEALTHY_TOKEN));
        let mut grants = vec![HEALTHY_TOKEN.to_owned()];
        for case in cases {
            let tokens = Tokens::of(case);
            add_grants(&mut config, case, &tokens);
            grants.extend([tokens.a, tokens.a2, tokens.b]);
        }
        let gateway = if clock {
            Gateway::start_with_clock(config).await
        } else {
            Gateway::start(config).await
        };
        Self { gateway, alpha, beta, log, grants }
    }

    /// What a case's placeholders stand for.
    pub(super) fn names(&self, tokens: &Tokens) -> Names {
        Names {
            host: self.gateway.door.to_string(),
            token_a: tokens.a.clone(),
            token_b: tokens.b.clone(),
            server_a: SERVER_A.to_owned(),
            server_b: SERVER_B.to_owned(),
        }
    }

    /// Plays a case; what did not hold.
    pub(super) async fn play(&mut self, case: &Case) -> Vec<String> {
        let tokens = Tokens::of(case);
        let marks = Marks {
            executed: self.log.executed_count(),
            forwarded: self.log.forwarded_count(),
            requests: self.log.request_count(),
        };
        let rejected_before = self.rejected_rows().await;
        let names = self.names(&tokens);
        let mut faults = match case.kind.as_str() {
            "sequence" => self.play_steps(case, &tokens).await,
            "raw" => {
                let bytes = input::raw(case, &names);
                let answers = wire::exchange_all(self.gateway.door, bytes).await;
                self.judge_raw(case, &answers.unwrap_or_default(), &marks)
            }
            _ => {
                let ask = input::single(case, &names);
                let answer = self.send_single(&ask).await;
                let mut faults = self.judge_single(case, &answer, &marks);
                if faults.is_empty() && judge::is(&answer, Expect::Reject, Some(&[400, 413, 415])) {
                    faults.extend(self.missing_row(rejected_before).await);
                }
                faults.extend(self.judge_forwarding(case, &ask.body, &answer, &marks));
                faults
            }
        };
        faults.extend(self.judge_always(&marks));
        faults.extend(self.judge_liveness().await);
        faults
    }

    /// Sends a single request. Of a GET only the head counts: its stream need not end.
    async fn send_single(&self, ask: &wire::Ask) -> Answer {
        let door = self.gateway.door;
        if ask.method == "GET"
            && let Ok(stream) = wire::open(door, ask).await
            && stream.head.header("content-type") == Some("text/event-stream")
        {
            return stream.head;
        }
        wire::ask(door, ask).await.unwrap_or_default()
    }

    async fn rejected_rows(&self) -> usize {
        let rows = self.gateway.audit().await;
        rows.iter().filter(|row| row["kind"] == "rejected").count()
    }

    async fn missing_row(&self, before: usize) -> Option<String> {
        let patience = std::time::Duration::from_secs(5);
        let more = || async { (self.rejected_rows().await > before).then_some(()) };
        let found = crate::wait::poll(patience, more).await;
        found.is_none().then(|| "no audit row of kind `rejected`".to_owned())
    }

    fn judge_single(&self, case: &Case, answer: &Answer, marks: &Marks) -> Vec<String> {
        let ran = self.log.tools_after(marks.executed);
        let statuses = case.expect_status.as_deref();
        if answer.status >= 500 && !statuses.is_some_and(|held| held.contains(&answer.status)) {
            return vec![format!("a 5xx: {}", judge::shown(answer))];
        }
        let outcomes = std::iter::once(case.expect).chain(case.also_ok.iter().copied());
        let met = outcomes.into_iter().find(|expect| judge::is(answer, *expect, statuses));
        let Some(met) = met else {
            return vec![format!("expected {:?}, got {}", case.expect, judge::shown(answer))];
        };
        let mut faults = Vec::new();
        let also = case.upstream_calls_also.as_ref();
        let wanted = if met == case.expect {
            case.upstream_calls.clone()
        } else if met == Expect::Allow {
            also.unwrap_or(&case.upstream_calls).clone()
        } else {
            Vec::new()
        };
        let fits = case.max_calls.map_or(ran == wanted, |most| ran.len() <= most);
        if !fits {
            faults.push(format!("the server ran {ran:?}, expected {wanted:?}"));
        }
        if met == Expect::Reject && answer.status == 400 && answer.reply().get("error").is_none() {
            let raw = case.kind == "raw";
            let shown = judge::shown(answer);
            faults.extend((!raw).then(|| format!("400 without a JSON-RPC error: {shown}")));
        }
        faults.extend(broken_invariant(case, answer));
        faults
    }

    /// A raw case may be answered several times (a pipelined second request), or not at all.
    fn judge_raw(&self, case: &Case, answers: &[Answer], marks: &Marks) -> Vec<String> {
        let ran = self.log.tools_after(marks.executed);
        let silent = answers.is_empty() || answers.iter().all(|answer| answer.status == 0);
        if silent {
            let may = case.expect == Expect::Reject || case.also_ok.contains(&Expect::Reject);
            let ok = may && ran.is_empty();
            return if ok { Vec::new() } else { vec![format!("no answer; ran {ran:?}")] };
        }
        let last = answers.last().cloned().unwrap_or_default();
        let first = answers.first().cloned().unwrap_or_default();
        let faults = self.judge_single(case, &first, marks);
        if faults.is_empty() { faults } else { self.judge_single(case, &last, marks) }
    }

    /// Of a refused method nothing reaches the server.
    fn judge_forwarding(
        &self,
        case: &Case,
        body: &[u8],
        answer: &Answer,
        marks: &Marks,
    ) -> Vec<String> {
        let refused = !judge::is(answer, Expect::Allow, None);
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let method = sent["method"].as_str().unwrap_or_default();
        if !refused || method.is_empty() || HOUSEKEEPING.contains(&method) {
            return Vec::new();
        }
        let forwarded = self.log.forwarded();
        let new = forwarded.iter().skip(marks.forwarded);
        let leaked: Vec<String> = new
            .filter(|message| !HOUSEKEEPING.contains(&message.method.as_str()))
            .map(|message| format!("`{}` of a refused request reached the server", message.method))
            .collect();
        if case.upstream_calls.is_empty() { leaked } else { Vec::new() }
    }

    /// What holds after every case: no token of an agent anywhere, the gateway's own credential
    /// everywhere.
    fn judge_always(&self, marks: &Marks) -> Vec<String> {
        let mut faults = Vec::new();
        self.log.each_request_after(marks.requests, |request| {
            if !request.credential {
                faults.push(format!("{} without the gateway's credential", request.method));
            }
            let leaked = self.grants.iter().find(|token| request.holds(token));
            if leaked.is_some() {
                faults.push(format!("an agent's token reached {}", request.server));
            }
        });
        faults
    }

    async fn judge_liveness(&self) -> Option<String> {
        let before = self.log.executed_count();
        let call =
            self.gateway.call(SERVER_A, HEALTHY_TOKEN, "read_item", json!({ "id": "alive" }));
        let answer = call.await;
        let ran = self.log.tools_after(before);
        let fine = judge::is(&answer, Expect::Allow, None) && ran == ["read_item"];
        (!fine)
            .then(|| format!("no healthy call afterwards: {}; ran {ran:?}", judge::shown(&answer)))
    }

    /// What a sequence ran, once it is over.
    pub(super) fn ran_since(&self, executed: usize) -> Vec<String> {
        self.log.tools_after(executed)
    }
}

fn add_grants(config: &mut Config, case: &Case, tokens: &Tokens) {
    let id: String = case.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let (policy_a, policy_b) = (format!("{id}-a"), format!("{id}-b"));
    let named = |name: &str| (!case.policy.is_null()).then(|| name.to_owned());
    if !case.policy.is_null() {
        config.policies.insert(policy_a.clone(), case.policy.clone());
        config.policies.insert(policy_b.clone(), case.policy.clone());
    }
    let mut add = |label: &str, server: &str, policy: Option<String>, token: &str| {
        let label = format!("{id}-{label}");
        config.grants.push(Grant::new(&label, server, policy.as_deref(), token));
    };
    add("grant-a", SERVER_A, named(&policy_a), &tokens.a);
    add("grant-a2", SERVER_A, named(&policy_a), &tokens.a2);
    add("grant-b", SERVER_B, named(&policy_b), &tokens.b);
}

/// The invariants that can be read from an answer.
fn broken_invariant(case: &Case, answer: &Answer) -> Option<String> {
    let reply = answer.reply();
    if let Some(wanted) = &case.shows {
        let listed = judge::listed(&reply).unwrap_or_default();
        return (&listed != wanted).then(|| format!("shows {listed:?}, expected {wanted:?}"));
    }
    let words = case.invariant.as_deref()?;
    if let Some((name, _rest)) = words.split_once(" never appears in the response") {
        return answer.text().contains(name).then(|| format!("{name} appears"));
    }
    if let Some((names, _rest)) = words.split_once(" are shown, in the server's order") {
        let wanted: Vec<&str> = names.split(" and ").collect();
        let listed = judge::listed(&reply).unwrap_or_default();
        return (listed != wanted).then(|| format!("shows {listed:?}, expected {wanted:?}"));
    }
    None
}
