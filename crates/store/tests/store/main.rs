//! The store as a whole: one list of cases for any back end, and what only a crash, a full disk or
//! a hostile hand shows.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod deeds;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod held_tasks;
#[cfg(test)]
mod inbox;
#[cfg(test)]
mod migration;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod tamper;
