use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tokio_stream::Stream;
use tonic::transport::server::{Connected, UdsConnectInfo};

/// Connections at once; more are closed as they come.
const AT_ONCE: usize = 1_024;
/// Within this time a connection must have said something.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// How long to leave off accepting when the system can't (no descriptors left).
const PAUSE: Duration = Duration::from_millis(200);

/// The listening socket; `None` once it was closed.
pub(super) type Listener = Arc<Mutex<Option<UnixListener>>>;

/// Connections of our own user; everybody else's are closed unheard.
pub(super) struct Incoming {
    listener: Listener,
    uid: u32,
    places: Arc<Semaphore>,
    pause: Option<Pin<Box<Sleep>>>,
    /// A trouble is told once, not at every try.
    troubled: bool,
}

impl Incoming {
    pub(super) fn new(listener: Listener) -> Self {
        let uid = rustix::process::getuid().as_raw();
        Self { listener, uid, places: Arc::new(Semaphore::new(AT_ONCE)), pause: None, troubled: false }
    }

    fn admit(&self, stream: UnixStream) -> Option<Caller> {
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == self.uid => {}
            Ok(peer) => {
                tracing::warn!(peer = peer.uid(), "a connection of another user was closed");
                return None;
            }
            // It is gone already.
            Err(_) => return None,
        }
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Some(Caller { stream, silent: Some(Box::pin(sleep(FIRST_WORD))), _place: place }),
            Err(_) => {
                tracing::warn!("a connection was closed: {AT_ONCE} are open");
                None
            }
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Caller>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let accepted = match &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(listener) => std::task::ready!(listener.poll_accept(context)),
                None => return Poll::Ready(None),
            };
            match accepted {
                Ok((stream, _)) => {
                    self.troubled = false;
                    if let Some(caller) = self.admit(stream) {
                        return Poll::Ready(Some(Ok(caller)));
                    }
                }
                Err(error) => {
                    if !self.troubled {
                        tracing::warn!(%error, "connections can't be accepted for the moment");
                    }
                    self.troubled = true;
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                }
            }
        }
    }
}

/// One connection: it keeps its place among them, and loses it if it stays
/// silent from the start.
pub(super) struct Caller {
    stream: UnixStream,
    silent: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connected for Caller {
    type ConnectInfo = UdsConnectInfo;

    fn connect_info(&self) -> UdsConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Caller {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() {
            self.silent = None;
        } else if let Some(silent) = &mut self.silent
            && silent.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Caller {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
