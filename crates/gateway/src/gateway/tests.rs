mod agent;
mod peer;
mod world;

mod approvals;
mod calls;
mod doors;
mod life;
mod seats;
mod sessions;
mod slow;
mod streams;
mod tasks;
