//! The doors: listeners, their limits, who is let in, and the one place where a failure becomes an HTTP answer.

pub mod body;
mod connections;
pub mod health;
pub mod listen;
pub mod origin;
pub mod outside;
pub mod peer;
mod places;
pub mod problem;
mod running;
