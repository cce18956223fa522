//! Sleeping until another process changes a word of shared memory.

pub(super) use system::{AVAILABLE, monotonic_ns, wait, wake_one};

#[cfg(target_os = "linux")]
mod system {
    use rustix::thread::futex;
    use rustix::time::{ClockId, Timespec, clock_gettime};
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    /// Whether processes can wait for each other here.
    pub(in super::super) const AVAILABLE: bool = true;

    /// Nanoseconds of a clock that all processes of this machine share.
    pub(in super::super) fn monotonic_ns() -> u64 {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }

    /// Sleeps while the word holds `value`, until somebody wakes it, for at most `pause`. May return early.
    pub(in super::super) fn wait(word: &AtomicU32, value: u32, pause: Duration) {
        let pause = Timespec { tv_sec: pause.as_secs() as _, tv_nsec: pause.subsec_nanos().into() };
        // Woken, late, interrupted or changed before: the caller looks again in any case.
        let _ = futex::wait(word, futex::Flags::empty(), value, Some(&pause));
    }

    /// Wakes the one that has slept longest. Returns whether somebody slept.
    pub(in super::super) fn wake_one(word: &AtomicU32) -> bool {
        futex::wake(word, futex::Flags::empty(), 1).is_ok_and(|woken| woken > 0)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    pub(in super::super) const AVAILABLE: bool = false;

    pub(in super::super) fn monotonic_ns() -> u64 {
        0
    }

    pub(in super::super) fn wait(_word: &AtomicU32, _value: u32, pause: Duration) {
        std::thread::sleep(pause);
    }

    pub(in super::super) fn wake_one(_word: &AtomicU32) -> bool {
        false
    }
}
