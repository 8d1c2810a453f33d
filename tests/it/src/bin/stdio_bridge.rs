//! A stdio MCP server that is only a pipe: what the gateway writes goes to the recorder in the test
//! process, and back. Decides and records nothing itself.

fn main() {}
