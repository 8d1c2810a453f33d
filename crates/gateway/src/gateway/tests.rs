mod agent;
mod peer;
mod world;

mod approvals;
mod batches;
mod calls;
mod doors;
mod holds;
mod life;
mod modes;
mod observed;
mod own_tasks;
mod seats;
mod sessions;
mod slow;
mod streams;
mod tasks;
