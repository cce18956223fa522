//! Model checks of three small modules of the engine on which everything else relies: the commit queue, the
//! gathering of commits that share a sync, and the publication of the cache.
//!
//! The modules are compiled here from their very source with the locks and atomics of a model checker:
//! [shuttle](https://docs.rs/shuttle) tries many random schedules of threads, [loom](https://docs.rs/loom) all
//! of them, with all the orders of memory that the language allows. `build.rs` also makes copies with a bug
//! each; the tests prove that every one of them is found.

pub mod schedules;
pub mod under_loom;
pub mod under_shuttle;

macro_rules! copies {
    ($($name:ident)*) => {
        $(
            /// A copy made by `build.rs`.
            #[allow(missing_docs, unused, unreachable_pub, clippy::all)]
            pub mod $name {
                include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
            }
        )*
    };
}

copies! {
    queue queue_lost_wake_up queue_left_to_nobody queue_acknowledged_undone queue_no_room_told
    queue_not_listening
    gathering gathering_thread_not_woken gathering_told_to_one gathering_acknowledged_unsynced
    gathering_left_at_the_end
    publication publication_stale_fill publication_fill_while_publishing
    publication_carried_over_a_foreign_commit publication_epoch_kept
}
