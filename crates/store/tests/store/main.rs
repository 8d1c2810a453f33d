//! The store as a whole: one list of cases for any back end, and what only a crash, a full disk or
//! a hostile hand shows.

mod admission;
mod crash;
mod disk;
mod fixture;
mod objects;
mod opening;
mod tamper;
