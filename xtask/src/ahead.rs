//! What some steps of a run get from registries, which takes minutes of waiting: got while the first steps compile.

use crate::{node, python, setup, swift};
use anyhow::Result;

/// What is got, why it cannot be had here if so, and how. A step that needs it asks for it again, which waits for what
/// is under way and tries once more what failed.
type Fetch = (&'static str, fn() -> Option<&'static str>, fn() -> Result<()>);

const FETCHES: &[Fetch] = &[
    ("what tests Swift", swift::problem, swift::make_root),
    ("what tests Python", setup::python_problem, python::install),
    ("what tests Node", setup::node_problem, node::install),
];

/// Begins, and does not wait.
pub(crate) fn fetch() {
    std::thread::spawn(|| {
        for (what, problem, fetch) in FETCHES {
            if problem().is_none()
                && let Err(error) = fetch()
            {
                println!("{what} could not be got ahead: {error:#}");
            }
        }
    });
}
