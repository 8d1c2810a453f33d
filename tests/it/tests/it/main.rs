//! The only integration binary: whole processes on loopback, real peers, nothing mocked. One module
//! for each promise; what they share lives in the library beside.

mod bypass;
mod conformance;
mod peers;
mod real_servers;
