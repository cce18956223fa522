//! Deadlines: how they slide, who removes what is over, and when nobody does.

mod expected;
mod model;
mod sliding;
mod sweeping;
mod world;
