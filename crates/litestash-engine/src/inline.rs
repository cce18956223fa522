//! Requests that are performed where they are asked for, in a program that has the engine inside: the vocabulary of
//! `docs/ENGINE.md` for bindings whose own calls cost little and whose conversions cost much.

use crate::answer::{Answer, write_error};
use crate::events::filter;
use crate::request::{Members, Request, malformed};
use crate::single::Single;
use crate::{many, settings, task, whole};
use litestash_core::{ComputeOptions, Event, FixedClock, LiteStash, Result, Subscription};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a request answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether there is no such row: told from a stored nil.
    pub missing: bool,
    /// Canonical MessagePack, as section 5 of the page says.
    pub result: Vec<u8>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let (missing, result) = answer.into_parts();
        Self { missing, result }
    }
}

/// Performs a request: `[0, operation, argument, …]`, of section 5 what is about keys, pages and the stash as a whole.
///
/// A page's `errors` are maps here. Long operations end early, with `Cancelled`, once `stop` is set. What is about
/// sessions is `InvalidArgument`.
pub fn call(stash: &LiteStash, request: &[u8], stop: &Arc<AtomicBool>) -> Result<Reply> {
    let request = Request::parse(request).map_err(|refused| refused.error)?;
    let Request { bucket: None, operation, mut arguments, .. } = request else {
        return Err(malformed("a bucket has a handle of its own"));
    };
    if let Some(single) = Single::parse(operation, &mut arguments)? {
        let (op, telling) = single.into_parts();
        return Ok(telling.answer(Ok(stash.perform(&op)?)).into());
    }
    let answer = whole::scan(operation, &mut arguments, stash, write_error)
        .or_else(|| many::run(operation, &mut arguments, stash))
        .or_else(|| whole::run(operation, &mut arguments, stash));
    if let Some(answer) = answer {
        return answer.map(Into::into);
    }
    let work = task::parse(operation, &mut arguments)
        .ok_or_else(|| malformed("there is no operation of this name"))?;
    work?(stash, stop).map(Into::into)
}

/// A stash that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The stash.
    pub stash: LiteStash,
    /// The clock that it goes by, if it is that of the conformance suite.
    pub clock: Option<FixedClock>,
}

/// Opens the stash in a directory, or one in memory, with the options of section 3 as an encoded map.
pub fn open(directory: Option<&Path>, options: &[u8]) -> Result<Opened> {
    let mut members = Members::parse(options)?;
    let settings = settings::take(&mut members)?;
    members.end()?;
    let stash = match directory {
        Some(directory) => settings.options.open(directory)?,
        None => settings.options.memory()?,
    };
    #[cfg(feature = "conformance")]
    let clock = settings.clock;
    #[cfg(not(feature = "conformance"))]
    let clock = None;
    Ok(Opened { stash, clock })
}

/// A bucket of a stash, with `durability`, `value_bytes_max`, `cache`, `default_ttl_us` (0 for none), `max_bytes`,
/// `max_rows` and `eviction` in an encoded map.
pub fn bucket(stash: &LiteStash, name: &str, options: &[u8]) -> Result<LiteStash> {
    let mut members = Members::parse(options)?;
    let options = settings::take_bucket(&mut members)?;
    members.end()?;
    stash.bucket_with(name, options)
}

/// A handle of the same stash with another durability, by its name.
pub fn with_durability(stash: &LiteStash, level: &str) -> Result<LiteStash> {
    Ok(stash.with_durability(settings::durability(level)?))
}

/// How a missing value is computed: a deadline, `across_processes`, `lease_us` and `stale_while_revalidate_us` in an
/// encoded map.
pub fn compute_options(options: &[u8]) -> Result<ComputeOptions> {
    let mut members = Members::parse(options)?;
    let options = settings::take_compute(&mut members)?;
    members.end()?;
    Ok(options)
}

/// Subscribes with the options of section 5 as an encoded map.
pub fn subscribe(stash: &LiteStash, options: &[u8]) -> Result<Subscription> {
    let mut members = Members::parse(options)?;
    let filter = filter(&mut members)?;
    members.end()?;
    stash.subscribe(filter)
}

/// An event as an encoded map.
pub fn event(event: &Event) -> Result<Vec<u8>> {
    Ok(Answer::event(event)?.into_parts().1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use litestash_core::ErrorKind;

    fn stash() -> LiteStash {
        open(None, b"\x80").unwrap().stash
    }

    fn ask(stash: &LiteStash, request: &[u8]) -> Result<Reply> {
        call(stash, request, &Arc::default())
    }

    #[test]
    fn requests_of_every_group_are_answered() {
        let stash = stash();
        let missing = ask(&stash, b"\x93\0\xa3get\xa1k").unwrap();
        assert!(missing.missing);
        assert!(ask(&stash, b"\x94\0\xa3add\xa1k\xc0").is_ok_and(|reply| reply.result == b"\xc3"));
        let stored = ask(&stash, b"\x93\0\xa3get\xa1k").unwrap();
        assert_eq!(stored, Reply { missing: false, result: vec![0xc0] });
        assert_eq!(ask(&stash, b"\x93\0\xa8get_many\x91\xa1k").unwrap().result, b"\x91\x91\xc0");
        assert_eq!(ask(&stash, b"\x92\0\xa3len").unwrap().result, b"\x01");
        assert!(ask(&stash, b"\x92\0\xa5items").unwrap().result.ends_with(b"\xa5items\x91\x92\xa1k\xc0"));
        assert!(ask(&stash, b"\x92\0\xa6verify").unwrap().result.starts_with(b"\x83"));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let stash = stash();
        for request in [&b"\x05"[..], b"\x92\0\xa5close", b"\x92\0\xa4ping", b"\x93\0\x92\xa1b\xa3get\xa1k"] {
            assert_eq!(ask(&stash, request).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        assert_eq!(ask(&stash, b"").unwrap_err().kind(), ErrorKind::InvalidValue);
        assert_eq!(ask(&stash, b"\x93\0\xa3get\xc0").unwrap_err().kind(), ErrorKind::InvalidKey);
        assert!(open(None, b"\x81\xa5creat\xc3").is_err());
        assert!(compute_options(b"\x81\xa2if\xa6absent").is_err());
    }

    #[test]
    fn a_subscription_tells_of_a_write() {
        let stash = stash();
        let events = subscribe(&stash, b"\xc0").unwrap();
        stash.set("k", &1).unwrap();
        assert!(event(&events.try_recv().unwrap()).unwrap().starts_with(b"\x86\xa3key\xa1k"));
    }
}
