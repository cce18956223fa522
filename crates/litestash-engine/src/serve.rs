//! The streams and their end: end of input, a signal, a client that breaks the framing or goes away.

use crate::answer::Answer;
use crate::frame::{Broken, FrameReader};
use crate::outlet::Outlet;
use crate::session::{Next, Session};
use litestash_core::limits::VALUE_BYTES_DEFAULT;
use litestash_core::{Error, ErrorKind, Options};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a frame beside the longest value.
const FRAME_BYTES_SPARE: usize = 64 << 10;

/// The longest payload, unless the command line gives another.
pub(crate) const PAYLOAD_BYTES_DEFAULT: usize = VALUE_BYTES_DEFAULT + FRAME_BYTES_SPARE;

/// Bytes of answers that are held back while more requests wait in the pipe.
const HELD_BYTES_MAX: usize = 256 << 10;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By a close, the end of input or a signal; everything acknowledged was written.
    Orderly,
    /// The client broke the protocol.
    Protocol,
    /// The stash could not be closed in an orderly way, or a stream failed.
    Failed,
}

/// Serves one client until it ends.
pub(crate) fn serve(
    input: impl Read,
    output: Box<dyn Write + Send>,
    given: Option<(PathBuf, Options)>,
    payload_bytes_max: usize,
) -> End {
    let outlet = Arc::new(Outlet::new(output, payload_bytes_max));
    let session = Session::new(Arc::clone(&outlet), payload_bytes_max, given);
    let session = Arc::new(Mutex::new(session));
    #[cfg(unix)]
    signals::close_on_signal(&session);
    let mut reader = FrameReader::new(input, payload_bytes_max);
    let end = loop {
        match reader.wait() {
            Ok(true) => {}
            Ok(false) => break End::Orderly,
            Err(broken) => break refuse(broken, &outlet),
        }
        if let Some(end) = turn(&mut reader, &session, &outlet) {
            break end;
        }
    };
    let closed = session.lock().unwrap_or_else(PoisonError::into_inner).close();
    match closed {
        Ok(()) => end,
        Err(error) => {
            tracing::error!(%error, "the stash could not be closed in an orderly way");
            End::Failed
        }
    }
}

/// Performs all requests that are there. Whoever wants to end the session waits for it.
fn turn(reader: &mut FrameReader<impl Read>, session: &Mutex<Session>, outlet: &Outlet) -> Option<End> {
    let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
    let mut frames = outlet.frames();
    let mut end = None;
    while let Some(payload) = reader.take() {
        let began = session.has_begun();
        if session.take(payload, &mut frames) == Next::End {
            end = Some(if began { End::Orderly } else { End::Protocol });
            break;
        }
        if frames.bytes.len() > HELD_BYTES_MAX {
            outlet.send(&mut frames);
        }
    }
    session.settle(&mut frames);
    outlet.send(&mut frames);
    end.or_else(|| outlet.is_broken().then_some(End::Orderly))
}

fn refuse(broken: Broken, outlet: &Outlet) -> End {
    match broken {
        Broken::TooLarge { claimed, allowed } => {
            let message = format!("a frame of {claimed} bytes; the limit is {allowed}");
            outlet.answer(None, &Answer::failed(&Error::new(ErrorKind::TooLarge, message)));
            End::Protocol
        }
        Broken::Io(error) => {
            tracing::error!(%error, "reading requests failed");
            End::Failed
        }
    }
}

#[cfg(unix)]
mod signals {
    use super::Session;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    /// How long a turn may take to end once a signal came. One that waits for a client that does not read would
    /// never end.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// On a signal, waits for the turn that runs, closes the stash and ends the process.
    pub(super) fn close_on_signal(session: &Arc<Mutex<Session>>) {
        let mut signals = match Signals::new([SIGTERM, SIGINT, SIGHUP]) {
            Ok(signals) => signals,
            Err(error) => {
                tracing::warn!(%error, "signals end the process without closing the stash");
                return;
            }
        };
        let session = Arc::downgrade(session);
        let wait = move || {
            let Some(signal) = signals.forever().next() else { return };
            tracing::info!(signal, "closing");
            let Some(session) = session.upgrade() else { return };
            end_at_last();
            let code = if close(&session) { 0 } else { 1 };
            std::process::exit(code);
        };
        if let Err(error) = std::thread::Builder::new().name("litestash-signals".into()).spawn(wait) {
            tracing::warn!(%error, "signals end the process without closing the stash");
        }
    }

    fn close(session: &Mutex<Session>) -> bool {
        session.lock().unwrap_or_else(PoisonError::into_inner).close().is_ok()
    }

    /// Whatever was acknowledged is in the log; ending without an orderly close loses nothing.
    fn end_at_last() {
        let end = || {
            std::thread::sleep(PATIENCE);
            std::process::exit(1);
        };
        if let Err(error) = std::thread::Builder::new().name("litestash-patience".into()).spawn(end) {
            tracing::warn!(%error, "closing may take for ever");
        }
    }
}
