//! The only integration binary: whole processes on loopback, real peers, nothing mocked. One module
//! for each promise; what they share lives in the library beside.

mod approvals;
mod bypass;
mod clock;
mod conformance;
mod console;
mod crash;
mod deciding;
mod drain;
mod exactly;
mod faults;
mod fidelity;
mod held_calls;
mod held_waits;
mod kills;
mod limits;
mod modes;
mod notifications;
mod otel;
mod peers;
mod policy_life;
mod real_servers;
mod regressions;
mod reload;
mod replay;
mod scenarios;
mod server_faults;
mod strangers;
mod streams;
mod watch;
