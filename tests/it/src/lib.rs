//! Peers and harness for the integration tests.
