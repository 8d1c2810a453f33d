//! Attacks as stories, each with the number that `docs/scenarios.md` lists it under: what somebody
//! tries who holds a token, a server, or a wire. That page also says which stories the bypass cases,
//! the regressions and the crates' own tests tell already; they are not told again here.

mod counting;
mod held;
mod moving_ground;
mod reach;
mod registration;
mod secrets;
mod trail;
mod wire;
