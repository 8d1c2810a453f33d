//! Servers, pins, policies, grants, approvals, counters, audit: the truth on disk.
