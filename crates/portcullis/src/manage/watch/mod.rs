//! `portcullis approvals watch`: held calls as they come, in a terminal with single keys or, where
//! there is none, as plain lines. Looks and decides; what anybody may do is the use cases' affair.

mod board;
mod draw;
mod keys;
mod office;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use self::board::{Act, Board};
use self::keys::{Raw, size};
use self::office::{Held, Office};
use crate::cli::ConfigArg;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::{self, Line};
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
}

/// Watches until it is ended.
pub(crate) async fn run(args: WatchArgs) -> Result<Exit, Failure> {
    let office = match (&args.url, &args.token_env) {
        (Some(url), Some(name)) => Office::over_api(url, name)?,
        _ => Office::beside(&args.config)?,
    };
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        on_screen(office).await
    } else {
        in_lines(office).await
    }
}

/// A terminal: one picture, single keys.
async fn on_screen(mut office: Office) -> Result<Exit, Failure> {
    let unusable = |error| Failure::because(Exit::Failed, "the terminal cannot be used", &error);
    let mut board = Board::default();
    board.show(office.look().await?);
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
                match office.look().await {
                    Ok(held) => board.show(held),
                    Err(failure) => board.say(failure.sentence()),
                }
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
                board.show(office.look().await.unwrap_or_default());
            }
        }
        output::raw(draw::picture(&board, size(), clock::now()));
    }
    drop(raw);
    Ok(Exit::Good)
}

/// No terminal: a line for each call, and a line for each decision.
async fn in_lines(mut office: Office) -> Result<Exit, Failure> {
    output::note("Waiting for held calls. `a 1` approves, `r 1 reason` rejects, Ctrl-C ends.");
    let mut known: Vec<Held> = Vec::new();
    let mut typed = input::lines(TYPED_BYTES_MAX)
        .map_err(|error| Failure::because(Exit::Failed, "cannot read what you type", &error))?;
    let mut ticks = interval(Duration::from_millis(LOOK_MS));
    let mut typing = true;
    loop {
        tokio::select! {
            _tick = ticks.tick() => {
                for held in office.look().await? {
                    if !known.iter().any(|one| one.id == held.id) {
                        known.push(held);
                        known.last().into_iter().for_each(|held| line(known.len(), held));
                    }
                }
            }
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

fn line(number: usize, held: &Held) {
    let messages: Vec<String> = held.messages.iter().map(|message| inert(message)).collect();
    output::line(format!(
        "[{number}] {}/{}  {}\n     {}  (until {})",
        inert(&held.server),
        inert(&held.name),
        inert(&held.arguments),
        messages.join("\n     "),
        clock::rfc3339(held.expires_at),
    ));
}

/// One typed line; what is wrong with it is said, and the watch goes on.
async fn obey(office: &mut Office, line: &str, known: &[Held]) {
    let mut words = line.trim().splitn(3, ' ');
    let answer = match words.next() {
        Some("a") => store::Answer::Approve,
        Some("r") => store::Answer::Reject,
        Some("") | None => return,
        Some(_) => return output::note("`a NUMBER [reason]` or `r NUMBER [reason]`"),
    };
    let number = words.next().and_then(|n| n.parse::<usize>().ok());
    let Some(held) = number.and_then(|n| known.get(n.checked_sub(1)?)) else {
        return output::note("there is no call with this number");
    };
    let reason = words.next().map(str::to_owned);
    output::note(office.decide(&held.id, answer, reason).await);
}
