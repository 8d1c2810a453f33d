//! The steps of a sequence: requests one after another, in parallel, or cut short, and the things
//! that happen between them (approvals, reloads, restarts, a full disk).

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::case::{Case, Expect, Holders, Step};
use super::input;
use super::judge;
use super::stage::{SERVER_A, SERVER_B, Stage, Tokens};
use crate::recorder::Fault;
use crate::wait;
use crate::wire::{self, Answer, Ask, OpenStream};

/// The most pairs of simultaneous calls that run at once.
const PAIRS_AT_ONCE_MAX: usize = 20;
/// Longest wait for a change of the server's list to be known, in seconds.
const LIST_SECONDS_MAX: u64 = 10;

/// What steps remember for later ones.
#[derive(Default)]
struct Memory {
    sessions: BTreeMap<String, String>,
    streams: BTreeMap<String, OpenStream>,
    events: BTreeMap<String, String>,
    held: Option<String>,
    last: Option<Answer>,
}

impl Stage {
    /// Plays every step; what did not hold.
    pub(super) async fn play_steps(&mut self, case: &Case, tokens: &Tokens) -> Vec<String> {
        let list = r#"{"jsonrpc":"2.0","id":"first","method":"tools/list"}"#;
        self.gateway.post(SERVER_A, &tokens.a, list).await;
        self.gateway.post(SERVER_B, &tokens.b, list).await;
        let executed = self.log.executed_count();
        let mut memory = Memory::default();
        for (number, step) in (1..).zip(&case.steps) {
            let outcome = match &step.action {
                Some(_action) => self.act(case, tokens, step, &mut memory).await,
                None => self.ask_step(case, tokens, step, &mut memory).await,
            };
            if let Err(fault) = outcome {
                return vec![format!("step {number}: {fault}")];
            }
        }
        self.judge_calls(case, executed).await
    }

    async fn judge_calls(&self, case: &Case, executed: usize) -> Vec<String> {
        let fits = || {
            let ran = self.ran_since(executed);
            match case.max_calls {
                Some(most) => ran.len() <= most,
                None => ran == case.upstream_calls,
            }
        };
        // A call that was cut short may still be on its way to the server.
        let patience = Duration::from_secs(2);
        let settled = wait::poll(patience, || async { fits().then_some(()) }).await;
        if settled.is_some() {
            return Vec::new();
        }
        let ran = self.ran_since(executed);
        vec![format!("ran {} calls {ran:?}, expected {:?}", ran.len(), case.upstream_calls)]
    }

    fn holder<'t>(tokens: &'t Tokens, name: &str) -> (&'static str, &'t str) {
        match name {
            "B" => (SERVER_B, &tokens.b),
            "A2" => (SERVER_A, &tokens.a2),
            _ => (SERVER_A, &tokens.a),
        }
    }

    fn holder_of<'t>(tokens: &'t Tokens, step: &Step) -> (&'static str, &'t str) {
        match &step.holders {
            Some(Holders::One(name)) => Self::holder(tokens, name),
            _ => Self::holder(tokens, "A"),
        }
    }

    async fn request(
        &self,
        case: &Case,
        tokens: &Tokens,
        step: &Step,
        memory: &mut Memory,
    ) -> Result<Ask, String> {
        let names = self.names(tokens);
        let (server, token) = Self::holder_of(tokens, step);
        let body = names.fill(step.body.as_deref().unwrap_or_default()).into_bytes();
        let mut ask = input::usual(&names, server, token, case.protocol.as_deref(), body);
        if let Some(headers) = &step.headers {
            ask = input::with_headers(ask, headers, &names);
        }
        ask = input::with_parts(ask, step.http.as_ref(), &names);
        if step.new_session
            && let Some(session) = self.initialize(case, tokens, step).await?
        {
            ask = ask.set("Mcp-Session-Id", &session);
        }
        if let Some(name) = &step.session {
            let session = memory.sessions.get(name).ok_or("no session of that name")?;
            ask = ask.set("Mcp-Session-Id", session);
        }
        if let Some(event) = &step.last_event_id {
            let id = memory.events.get(event).unwrap_or(event);
            ask = ask.set("Last-Event-ID", id);
        }
        Ok(ask)
    }

    async fn ask_step(
        &mut self,
        case: &Case,
        tokens: &Tokens,
        step: &Step,
        memory: &mut Memory,
    ) -> Result<(), String> {
        if let Some(text) = &step.upstream_fault {
            let fault = Fault::parse(text).ok_or_else(|| format!("unknown fault {text}"))?;
            self.alpha.set_fault(Some(fault.clone()));
            self.beta.set_fault(Some(fault));
        }
        let outcome = self.send_step(case, tokens, step, memory).await;
        if step.upstream_fault.is_some() {
            self.alpha.set_fault(None);
            self.beta.set_fault(None);
        }
        outcome
    }

    async fn send_step(
        &self,
        case: &Case,
        tokens: &Tokens,
        step: &Step,
        memory: &mut Memory,
    ) -> Result<(), String> {
        let ask = self.request(case, tokens, step, memory).await?;
        if let Some(limit) = step.disconnect_after_ms {
            let whole = wire::ask(self.gateway.door, &ask);
            drop(tokio::time::timeout(Duration::from_millis(limit), whole).await);
            return Ok(());
        }
        if let Some(count) = step.parallel {
            return self.parallel(step, &ask, count).await;
        }
        if let Some(seconds) = step.within_seconds {
            let patience = Duration::from_secs(seconds);
            let look = || async {
                let answer = self.send(&ask).await;
                fits(step, &answer).is_ok().then_some(answer)
            };
            let found = wait::poll(patience, look).await;
            memory.last = Some(found.ok_or(format!("not within {seconds} s"))?);
            return Ok(());
        }
        for _round in 0..step.repeat.unwrap_or(1) {
            let answer = self.send(&ask).await;
            fits(step, &answer)?;
            let reply = answer.reply();
            let approval = judge::decision(&reply)["approval"]["id"].as_str();
            if let Some(id) = approval {
                memory.held = Some(id.to_owned());
            }
            memory.last = Some(answer);
        }
        Ok(())
    }

    async fn send(&self, ask: &Ask) -> Answer {
        wire::ask(self.gateway.door, ask).await.unwrap_or_default()
    }

    async fn parallel(&self, step: &Step, ask: &Ask, count: usize) -> Result<(), String> {
        let answers = join_all((0..count).map(|_n| self.send(ask))).await;
        let Some(counts) = &step.expect_counts else {
            return answers.iter().try_for_each(|answer| fits(step, answer));
        };
        for (expect, wanted) in counts {
            let statuses = step.expect_status.as_deref();
            let found = answers.iter().filter(|a| judge::is(a, *expect, statuses)).count();
            if found != *wanted {
                return Err(format!("{found} times {expect:?}, expected {wanted}"));
            }
        }
        Ok(())
    }

    /// Opens a session; nothing when the server hands out none.
    async fn initialize(
        &self,
        case: &Case,
        tokens: &Tokens,
        step: &Step,
    ) -> Result<Option<String>, String> {
        let (server, token) = Self::holder_of(tokens, step);
        let version = case.protocol.as_deref().unwrap_or("2025-11-25");
        let params = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": { "name": "bypass", "version": "1" },
        });
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let answer = self.gateway.post(server, token, &hello.to_string()).await;
        if answer.status != 200 || answer.reply().get("result").is_none() {
            return Err(format!("initialize: {}", judge::shown(&answer)));
        }
        let session = answer.header("mcp-session-id").map(str::to_owned);
        let mut done = Ask::mcp(
            &format!("/mcp/{server}"),
            token,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        );
        if let Some(session) = &session {
            done = done.set("Mcp-Session-Id", session);
        }
        self.send(&done).await;
        Ok(session)
    }

    async fn act(
        &mut self,
        case: &Case,
        tokens: &Tokens,
        step: &Step,
        memory: &mut Memory,
    ) -> Result<(), String> {
        let action = step.action.as_deref().unwrap_or_default();
        match action {
            "initialize" => {
                let session = self.initialize(case, tokens, step).await?;
                let name = step.save.clone().unwrap_or_default();
                memory.sessions.insert(name, session.unwrap_or_default());
            }
            "approve" | "reject" => self.decide(step, action, memory).await?,
            "kill9_restart" => {
                self.gateway.kill().await;
                self.gateway.restart().await;
            }
            "set_policy" => {
                let policy = step.policy.clone().ok_or("set_policy without a policy")?;
                let names: Vec<String> = self.gateway.config().policies.keys().cloned().collect();
                for name in names.iter().filter(|name| name.as_str() != "healthy") {
                    self.gateway.set_policy(name, &policy);
                }
                self.gateway.reload().await;
            }
            "revoke" => {
                let (_server, token) = Self::holder_of(tokens, step);
                let token = token.to_owned();
                self.gateway.config().grants.retain(|grant| grant.token != token);
                self.gateway.reload().await;
            }
            "change_tool" | "add_tool" => self.change_list(tokens, step, action).await?,
            "cross_talk" => self.cross_talk(tokens, step).await?,
            "get_stream" => self.get_stream(tokens, step, memory).await?,
            "fill_disk" => self.gateway.limit_files(Some(0)),
            "free_disk" => self.gateway.limit_files(None),
            "clock" => {
                let offset = step.offset.as_ref().or(step.set.as_ref()).ok_or("no offset")?;
                let words = offset.as_str().map_or_else(|| format!("{offset:+}"), str::to_owned);
                self.gateway.set_clock(&words);
            }
            "wait" => {
                let seconds = step.seconds.ok_or("wait without seconds")?;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            other => return Err(format!("unknown action {other}")),
        }
        Ok(())
    }

    async fn decide(&self, step: &Step, action: &str, memory: &Memory) -> Result<(), String> {
        let held = memory.held.as_deref().ok_or("no call is held")?;
        let answer = self.gateway.decide(held, action).await;
        let fine = (200..300).contains(&answer.status) || step.may_fail;
        if fine { Ok(()) } else { Err(format!("{action}: {}", judge::shown(&answer))) }
    }

    /// Changes the server's list and lists it through the gateway, so that the change is known.
    async fn change_list(&self, tokens: &Tokens, step: &Step, action: &str) -> Result<(), String> {
        let tool = step.tool.as_deref().ok_or("no tool is named")?;
        if action == "change_tool" {
            self.alpha.change_tool(tool);
        } else {
            self.alpha.add_tool(tool);
        }
        let list = r#"{"jsonrpc":"2.0","id":"again","method":"tools/list"}"#;
        let patience = Duration::from_secs(LIST_SECONDS_MAX);
        let look = || async {
            let answer = self.gateway.post(SERVER_A, &tokens.a, list).await;
            let names = judge::listed(&answer.reply())?;
            (!names.iter().any(|name| name == tool)).then_some(())
        };
        wait::poll(patience, look).await.ok_or_else(|| format!("{tool} is still listed"))
    }

    /// Pairs of simultaneous calls that share a JSON-RPC id: each must get its own answer.
    async fn cross_talk(&self, tokens: &Tokens, step: &Step) -> Result<(), String> {
        let holders = match &step.holders {
            Some(Holders::Many(names)) => names.clone(),
            Some(Holders::One(name)) => vec![name.clone()],
            None => vec!["A".to_owned(), "B".to_owned()],
        };
        let pairs: Vec<usize> = (0..step.pairs.unwrap_or(1)).collect();
        for group in pairs.chunks(PAIRS_AT_ONCE_MAX) {
            let one = |pair: usize, holder: String| async move {
                let (server, token) = Self::holder(tokens, &holder);
                let nonce = format!("nonce-{pair}-{holder}");
                let arguments = json!({ "id": nonce });
                let answer = self.gateway.call(server, token, "read_item", arguments).await;
                let text = answer.text();
                let own = judge::is(&answer, Expect::Allow, None) && text.contains(&nonce);
                if own { Ok(()) } else { Err(format!("{nonce} got {}", judge::shown(&answer))) }
            };
            let calls = group
                .iter()
                .flat_map(|pair| holders.iter().map(move |holder| (*pair, holder.clone())));
            let answers = join_all(calls.map(|(pair, holder)| one(pair, holder))).await;
            answers.into_iter().collect::<Result<Vec<()>, String>>()?;
        }
        Ok(())
    }

    async fn get_stream(
        &self,
        tokens: &Tokens,
        step: &Step,
        memory: &mut Memory,
    ) -> Result<(), String> {
        let (server, token) = Self::holder_of(tokens, step);
        let mut ask =
            Ask::mcp(&format!("/mcp/{server}"), token, "").set("Accept", "text/event-stream");
        "GET".clone_into(&mut ask.method);
        if let Some(session) = step.session.as_ref().and_then(|name| memory.sessions.get(name)) {
            ask = ask.set("Mcp-Session-Id", session);
        }
        if let Some(event) = &step.last_event_id {
            ask = ask.set("Last-Event-ID", memory.events.get(event).unwrap_or(event));
        }
        let stream = wire::open(self.gateway.door, &ask).await.map_err(|p| p.to_string())?;
        if step.expect.is_some() {
            fits(step, &stream.head)?;
        }
        if let Some(name) = &step.save_event {
            memory.events.insert(name.clone(), "1".to_owned());
        }
        memory.streams.insert(step.save.clone().unwrap_or_default(), stream);
        Ok(())
    }
}

/// Whether an answer is one that a step expects.
fn fits(step: &Step, answer: &Answer) -> Result<(), String> {
    let Some(expect) = step.expect else {
        return Ok(());
    };
    let statuses = step.expect_status.as_deref();
    let also = step.also_ok.iter().flatten().copied();
    let met = std::iter::once(expect).chain(also).any(|kind| judge::is(answer, kind, statuses));
    let broken = answer.status >= 500 && expect != Expect::Refused;
    if met && !broken {
        return Ok(());
    }
    Err(format!("expected {expect:?}, got {}", judge::shown(answer)))
}
