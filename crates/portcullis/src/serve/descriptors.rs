//! How many files and connections the process may have open. Most systems start a process with 1,024
//! of them, which strangers who only connect would use up, and let it have more if it asks. Never
//! decides who may connect.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the bounds of connections need: those of agents, about as many towards servers,
/// the console, children, the store. Not more, because children inherit the number, and some close
/// them all one by one.
const DESCRIPTORS: u64 = 65_536;

/// Raises the soft limit towards [`DESCRIPTORS`] as far as the hard one allows, and says when that is
/// less than the bounds need.
pub(super) fn raise() {
    let before = getrlimit(Resource::Nofile);
    if let Some(more) = raised(&before)
        && let Err(error) = setrlimit(Resource::Nofile, more)
    {
        tracing::debug!(%error, "the limit of open files could not be raised");
    }
    if let Some(open) = getrlimit(Resource::Nofile).current
        && open < DESCRIPTORS
    {
        let bounds = DESCRIPTORS;
        tracing::info!(open, bounds, "fewer files may be open than connections (`ulimit -Hn`)");
    }
}

/// The limits to ask for; `None` where nothing is gained.
fn raised(before: &Rlimit) -> Option<Rlimit> {
    let now = before.current?;
    let most = before.maximum.map_or(DESCRIPTORS, |hard| hard.min(DESCRIPTORS));
    (most > now).then_some(Rlimit { current: Some(most), maximum: before.maximum })
}

#[cfg(test)]
mod tests;
