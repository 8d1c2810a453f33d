//! `portcullis approvals watch`: held calls as they come, in a terminal with single keys or, where
//! there is none, as plain lines. Looks and decides; what anybody may do is the use cases' affair.

mod board;
mod draw;
mod keys;
mod office;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use self::board::{Act, Board};
use self::keys::{Raw, size};
use self::office::{Held, Looked, Office};
use crate::cli::ConfigArg;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::{self, Line};
use crate::output::Form;
use crate::{clock, output};

use super::inert;

/// Milliseconds between two looks at what is held.
const LOOK_MS: u64 = 500;
/// Milliseconds between two pictures, for the countdown.
const PICTURE_MS: u64 = 1_000;
/// Bytes of a typed line, at most.
const TYPED_BYTES_MAX: usize = 8 * 1024;

/// Where to watch.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Watch over the API of the console at this URL instead of the store beside it
    #[arg(long, requires = "token_env")]
    url: Option<String>,
    /// The variable that holds an API token of an approver
    #[arg(long, value_name = "NAME", requires = "url")]
    token_env: Option<String>,
    /// Lines of JSON: one for each call that comes, and one when it is decided or over
    #[arg(long)]
    json: bool,
}

/// Watches until it is ended.
pub(crate) async fn run(args: WatchArgs) -> Result<Exit, Failure> {
    let office = match (&args.url, &args.token_env) {
        (Some(url), Some(name)) => Office::over_api(url, name)?,
        _ => Office::beside(&args.config)?,
    };
    let form = if args.json { Form::Json } else { Form::Text };
    if form == Form::Text && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        on_screen(office).await
    } else {
        in_lines(office, form).await
    }
}

/// A terminal: one picture, single keys.
async fn on_screen(mut office: Office) -> Result<Exit, Failure> {
    let unusable = |error| Failure::because(Exit::Failed, "the terminal cannot be used", &error);
    let mut board = Board::default();
    let first = office.look().await?;
    board.more = first.more;
    board.show(first.held);
    let raw = Raw::enter().map_err(unusable)?;
    let mut typed = keys::read().map_err(unusable)?;
    let mut ended = signal(SignalKind::terminate()).map_err(unusable)?;
    let mut resized = signal(SignalKind::window_change()).map_err(unusable)?;
    let mut looks = interval(Duration::from_millis(LOOK_MS));
    let mut pictures = interval(Duration::from_millis(PICTURE_MS));
    for ticks in [&mut looks, &mut pictures] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let act = tokio::select! {
            _ = ended.recv() => Act::Quit,
            _ = resized.recv() => Act::Nothing,
            _tick = pictures.tick() => Act::Nothing,
            _tick = looks.tick() => {
                look(&mut office, &mut board).await;
                Act::Nothing
            }
            key = typed.recv() => key.map_or(Act::Quit, |key| board.press(key, size())),
        };
        match act {
            Act::Nothing => {}
            Act::Quit => break,
            Act::Decide(decision) => {
                let said = office.decide(&decision.id, decision.answer, decision.reason).await;
                board.say(said);
                look(&mut office, &mut board).await;
            }
        }
        output::raw(draw::picture(&board, size(), clock::now()));
    }
    drop(raw);
    Ok(Exit::Good)
}

/// Looks anew. What cannot be looked at stays as it was, and the reason is said until it can: a
/// gateway that starts anew is waited for.
async fn look(office: &mut Office, board: &mut Board) {
    match office.look().await {
        Ok(looked) => {
            board.trouble = None;
            board.more = looked.more;
            board.show(looked.held);
        }
        Err(failure) => board.trouble = Some(failure.sentence()),
    }
}

/// What was printed and waits, by the number that was printed with it.
type Known = BTreeMap<usize, String>;

/// No terminal: a line for each call, and a line for each decision. Ends when nobody reads it.
async fn in_lines(mut office: Office, form: Form) -> Result<Exit, Failure> {
    output::note("Waiting for held calls. `a 1` approves, `r 1 reason` rejects, Ctrl-C ends.");
    let mut known = Known::new();
    let mut printed = 0;
    let mut trouble = false;
    let mut looked = Some(office.look().await?);
    let mut typed = input::lines(TYPED_BYTES_MAX)
        .map_err(|error| Failure::because(Exit::Failed, "cannot read what you type", &error))?;
    let mut ticks = interval(Duration::from_millis(LOOK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut typing = true;
    loop {
        if let Some(looked) = looked.take()
            && !tell(&looked, form, (&mut known, &mut printed))
        {
            return Ok(Exit::Good);
        }
        tokio::select! {
            _tick = ticks.tick() => match office.look().await {
                Ok(now) => {
                    if std::mem::take(&mut trouble) {
                        output::note("up to date again");
                    }
                    looked = Some(now);
                }
                Err(failure) => {
                    if !std::mem::replace(&mut trouble, true) {
                        output::note(format!("not up to date: {}", failure.sentence()));
                    }
                }
            },
            line = typed.recv(), if typing => match line {
                Some(Line::Whole(line)) => {
                    obey(&mut office, &String::from_utf8_lossy(&line), &known).await;
                }
                Some(Line::TooLong) => output::note("that line is too long"),
                None => typing = false,
            },
        }
    }
}

/// Prints what came and what is gone; whether somebody reads it.
fn tell(looked: &Looked, form: Form, (known, printed): (&mut Known, &mut usize)) -> bool {
    let waits = |id: &str| looked.held.iter().any(|one| one.id == *id);
    // Of a list that goes on, what is not in it may wait all the same.
    let gone: Vec<usize> = known
        .iter()
        .filter(|(_, id)| !looked.more && !waits(id))
        .map(|(number, _)| *number)
        .collect();
    let mut read = true;
    for number in gone {
        let Some(id) = known.remove(&number) else { continue };
        read &= output::told(match form {
            Form::Text => format!("[{number}] is decided or over"),
            Form::Json => json!({ "number": number, "event": "gone", "id": id }).to_string(),
        });
    }
    for held in &looked.held {
        if known.values().any(|id| *id == held.id) {
            continue;
        }
        *printed = printed.saturating_add(1);
        known.insert(*printed, held.id.clone());
        read &= output::told(match form {
            Form::Text => in_text(*printed, held),
            Form::Json => in_json(*printed, held),
        });
    }
    read
}

fn in_text(number: usize, held: &Held) -> String {
    let mut lines = vec![
        format!(
            "[{number}] {}/{}  {}",
            inert(&held.server),
            inert(&held.name),
            inert(&held.arguments)
        ),
        format!("grant {}, risk {}", inert(&held.grant), inert(&held.risk)),
    ];
    lines.extend(held.standing.iter().chain(&held.messages).map(|line| inert(line)));
    format!("{}  (until {})", lines.join("\n     "), clock::rfc3339(held.expires_at))
}

/// The arguments are a text: so their numbers stay as they are written.
fn in_json(number: usize, held: &Held) -> String {
    let call = json!({
        "number": number,
        "event": "held",
        "id": held.id,
        "server": held.server,
        "name": held.name,
        "grant": held.grant,
        "risk": held.risk,
        "standing": held.standing,
        "messages": held.messages,
        "arguments_text": held.arguments,
        "expires_at": clock::rfc3339(held.expires_at),
    });
    call.to_string()
}

/// One typed line; what is wrong with it is said, and the watch goes on.
async fn obey(office: &mut Office, line: &str, known: &Known) {
    let mut words = line.trim().splitn(3, ' ');
    let answer = match words.next() {
        Some("a") => store::Answer::Approve,
        Some("r") => store::Answer::Reject,
        Some("") | None => return,
        Some(_) => return output::note("`a NUMBER [reason]` or `r NUMBER [reason]`"),
    };
    let number = words.next().and_then(|n| n.parse::<usize>().ok());
    let Some(id) = number.and_then(|number| known.get(&number)) else {
        return output::note("there is no call with this number");
    };
    let reason = words.next().map(str::to_owned);
    output::note(office.decide(id, answer, reason).await);
}
