//! Bytes to MCP messages and back: the strict pass, SSE framing, list filtering, byte-exact splicing.
