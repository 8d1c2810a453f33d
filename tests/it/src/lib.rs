//! What the integration tests stand on: MCP servers that record, attack or conform, a raw HTTP
//! client, the `portcullis` process, and the one place that waits. Never product code.

pub mod bypass;
pub mod collector;
pub mod driven;
pub mod fixture;
pub mod gateway;
pub mod issuer;
pub mod long;
pub mod places;
pub mod ports;
pub mod recorder;
pub mod scene;
pub mod sdk;
pub mod shim;
pub mod suite;
pub mod wait;
pub mod wire;
