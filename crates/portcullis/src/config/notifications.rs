//! `[notifications.<name>]`: channels on which people outside are told of held calls.

use gateway::Post;
use gateway::address::AddressRule;
use store::{Occasion, Secret};

use super::section::{Flag, Problems, Section};
use super::token::Secrets;

/// The most channels of one file.
const CHANNELS_MAX: usize = 20;
/// The longest name of a channel, in characters.
const NAME_CHARS_MAX: usize = 40;
/// The fewest characters of a secret that signs.
const SECRET_CHARS_MIN: usize = 16;

/// What a channel's messages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Signed JSON.
    Webhook,
    /// The message format of Slack's incoming webhooks.
    Slack,
}

impl Kind {
    /// The word in the file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
        }
    }
}

/// One channel.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// Its name.
    pub(crate) name: String,
    /// What its messages look like.
    pub(crate) kind: Kind,
    /// Where they go; whoever knows it may write there.
    pub(crate) url: Secret<String>,
    /// What they are signed with; webhooks only.
    pub(crate) secret: Option<Secret<String>>,
    /// What they tell of.
    pub(crate) events: Vec<Occasion>,
    /// Which addresses it may be at.
    pub(crate) rule: AddressRule,
}

impl Channel {
    /// Everything about it in a form that can be compared and shows no secret.
    pub(crate) fn stamp(&self) -> String {
        let digest = |secret: &Secret<String>| policy::sha256(secret.expose().as_bytes());
        let secret = self.secret.as_ref().map(|secret| digest(secret).to_string());
        let (url, rule) = (digest(&self.url), self.rule);
        format!("{} {:?} {url} {secret:?} {:?} {rule:?}", self.name, self.kind, self.events)
    }
}

/// Reads every `[notifications.<name>]`.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Vec<Channel> {
    let mut channels = Vec::new();
    for (name, mut section) in root.named_sections("notifications", problems) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(plain) {
            let message = "a channel's name is letters, digits, `-` and `_`, at most 40";
            problems.add(section.span(), message);
        }
        if channels.len() >= CHANNELS_MAX {
            problems.add(section.span(), format!("at most {CHANNELS_MAX} channels"));
            break;
        }
        let read = channel(name, &mut section, secrets, problems);
        section.finish(problems);
        channels.extend(read);
    }
    channels
}

fn channel(
    name: &str,
    section: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Option<Channel> {
    let kinds = [("webhook", Kind::Webhook), ("slack", Kind::Slack)];
    let kind = section.word("kind", &kinds, problems)?;
    let private = section.flag("allow_private_address", Flag::No, problems);
    let rule = if private.is_yes() { AddressRule::AllowPrivate } else { AddressRule::PublicOnly };
    let url = url(kind, section, (rule, &mut *secrets), problems);
    let secret = secret(kind, section, secrets, problems);
    let events = events(section, problems);
    Some(Channel { name: name.to_owned(), kind, url: url?, secret, events, rule })
}

fn url(
    kind: Kind,
    section: &mut Section<'_, '_>,
    (rule, secrets): (AddressRule, &mut Secrets<'_>),
    problems: &mut Problems,
) -> Option<Secret<String>> {
    let text = section.required_text("url", problems)?;
    let refers = ["env:", "file:"].iter().any(|prefix| text.value.starts_with(prefix));
    let url = match kind {
        // The address of a chat is all that keeps others from writing there.
        Kind::Slack => secrets.follow("the address of a chat", &text, problems)?,
        Kind::Webhook if refers => secrets.follow("the address", &text, problems)?,
        Kind::Webhook => Secret::new(text.value.to_owned()),
    };
    if let Err(error) = Post::to(url.expose(), rule) {
        let why = crate::causes::chain(&error);
        problems.add_with_help(
            text.span,
            format!("`url` is refused: {why}"),
            "`allow_private_address = true` allows addresses of your own network",
        );
        return None;
    }
    Some(url)
}

fn secret(
    kind: Kind,
    section: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Option<Secret<String>> {
    if kind == Kind::Slack {
        if section.has("secret") {
            let message = "a chat checks no signature: `secret` belongs to webhooks";
            problems.add(section.key_span("secret"), message);
            section.text("secret", problems);
        }
        return None;
    }
    let text = section.required_text("secret", problems)?;
    let span = text.span.clone();
    let secret = secrets.follow("`secret`", &text, problems)?;
    if secret.expose().chars().count() < SECRET_CHARS_MIN {
        problems.add(span, format!("`secret` has at least {SECRET_CHARS_MIN} characters"));
    }
    Some(secret)
}

fn events(section: &mut Section<'_, '_>, problems: &mut Problems) -> Vec<Occasion> {
    let Some(list) = section.texts("events", problems) else { return Occasion::ALL.to_vec() };
    let mut events = Vec::new();
    for word in list.value {
        let known = Occasion::ALL.into_iter().find(|known| known.as_str() == word.value);
        match known {
            Some(event) if events.contains(&event) => {}
            Some(event) => events.push(event),
            None => {
                let words: Vec<&str> = Occasion::ALL.iter().map(|known| known.as_str()).collect();
                problems.add(word.span, format!("an event is one of {}", words.join(", ")));
            }
        }
    }
    events
}
