//! Copies the engine's modules that are to be checked, as they are and once with each seeded bug.

#![allow(missing_docs)]

use std::path::Path;

/// A bug: the module's name, and the texts that are replaced.
struct Bug {
    name: &'static str,
    seeds: &'static [(&'static str, &'static str)],
}

const QUEUE_BUGS: &[Bug] = &[
    // A leader goes without looking whether somebody waits.
    Bug {
        name: "queue_lost_wake_up",
        seeds: &[("match state.waiting.pop_front() {", "match None::<Left<J>> {")],
    },
    // A job is left to a leader who may have gone since.
    Bug {
        name: "queue_left_to_nobody",
        seeds: &[(
            concat!(
                "if !state.led {\n                    state.led = true;\n",
                "                    return Turn::Lead(Leader(self), job);\n                }",
            ),
            "",
        )],
    },
    // An owner that is called to lead believes that its job was done.
    Bug {
        name: "queue_acknowledged_undone",
        seeds: &[(
            "Call::Lead(job) => return Turn::Lead(Leader(self), job),",
            "Call::Lead(job) => { drop(Leader(self)); return Turn::Done(job); }",
        )],
    },
    // Owners that wait for room are not told when there is some.
    Bug { name: "queue_no_room_told", seeds: &[("self.0.tell_change(&state);", "")] },
    // Who waits for room is not known to wait.
    Bug {
        name: "queue_not_listening",
        seeds: &[("state.listening += 1;", ""), ("state.listening -= 1;", "")],
    },
];

const PUBLICATION_BUGS: &[Bug] = &[
    // A row read before a commit is filled in after it.
    Bug {
        name: "publication_stale_fill",
        seeds: &[(
            "self.filling.load(Ordering::Acquire) && self.epoch_at(header) == Some(epoch)",
            "{ let _ = (header, epoch); true }",
        )],
    },
    // Rows are filled in while they are being replaced.
    Bug {
        name: "publication_fill_while_publishing",
        seeds: &[("self.filling.store(false, Ordering::Release);", "")],
    },
    // A commit of somebody else is taken for an own one.
    Bug {
        name: "publication_carried_over_a_foreign_commit",
        seeds: &[
            ("let epoch = self.epoch_at(before)?;", "let epoch = self.epoch.load(Ordering::Relaxed);"),
            ("if self.publication.epoch_at(&self.before) == Some(self.epoch) {", "if true {"),
        ],
    },
    // A new token does not end the old rows.
    Bug {
        name: "publication_epoch_kept",
        seeds: &[(
            "let epoch = self.epoch.load(Ordering::Relaxed) + 1;\n        self.set(header, epoch);",
            "let epoch = self.epoch.load(Ordering::Relaxed);\n        self.set(header, epoch);",
        )],
    },
];

const GATHERING_BUGS: &[Bug] = &[
    // The thread is not told that something has come.
    Bug {
        name: "gathering_thread_not_woken",
        seeds: &[(
            "if std::mem::take(&mut state.idle) {\n            self.gathered.notify_one();\n        }",
            "",
        )],
    },
    // Only one of a group is told.
    Bug { name: "gathering_told_to_one", seeds: &[("self.known.notify_all();", "self.known.notify_one();")] },
    // Commits are acknowledged before they are synced.
    Bug {
        name: "gathering_acknowledged_unsynced",
        seeds: &[(
            "let synced = sync(&next.group);\n            next.outcome.tell(synced);",
            "next.outcome.tell(true);\n            sync(&next.group);",
        )],
    },
    // The thread ends although something waits.
    Bug {
        name: "gathering_left_at_the_end",
        seeds: &[(
            "if let Some(next) = state.next.take() {",
            "if state.closed { return; }\n                if let Some(next) = state.next.take() {",
        )],
    },
];

fn main() {
    let storage = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/litestash-core/src/storage");
    copy(&storage.join("queue.rs"), "queue", "crate::sync", "crate::under_shuttle", QUEUE_BUGS);
    let gathering = storage.join("sync_log/gathering.rs");
    copy(&gathering, "gathering", "crate::sync", "crate::under_shuttle", GATHERING_BUGS);
    let publication = storage.join("cache/publication.rs");
    copy(&publication, "publication", "crate::sync", "crate::under_loom", PUBLICATION_BUGS);
    println!("cargo::rerun-if-changed=build.rs");
}

fn copy(source: &Path, name: &str, sync: &str, model: &str, bugs: &[Bug]) {
    println!("cargo::rerun-if-changed={}", source.display());
    let text = std::fs::read_to_string(source).expect("the module is there");
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    // An included file has no documentation of its own, and its visibility ends with it.
    let lines = text.lines().filter(|line| !line.starts_with("//!"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert!(text.contains(sync), "{name} takes its locks from {sync}");
    let text = text.replace(sync, model).replace("pub(super)", "pub").replace("pub(crate)", "pub");
    write(name, &text);
    for bug in bugs {
        let seeded = bug.seeds.iter().fold(text.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{} has nothing to be seeded in", bug.name);
            text.replace(from, to)
        });
        write(bug.name, &seeded);
    }
}

fn write(name: &str, text: &str) {
    let out = std::env::var("OUT_DIR").expect("cargo says where to");
    std::fs::write(Path::new(&out).join(name).with_extension("rs"), text).expect("the copy can be written");
}
