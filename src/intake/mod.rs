//! A record comes in: receiving, translating, keeping aside.

pub mod pages;
