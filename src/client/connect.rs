use std::{
    fmt,
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
};

use super::{Endpoint, HomeError};

/// One HTTP/2 connection to the governor, for tonic's client stubs.
///
/// A bare connection instead of tonic's `Channel`: no pool, no reconnects, no
/// load balancing, which a process of one call has no use for.
#[derive(Debug, Clone)]
pub struct Connection {
    requests: http2::SendRequest<tonic::body::Body>,
    heard: Arc<AtomicBool>,
}

impl Connection {
    /// Whether the governor has sent anything yet.
    pub fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// Nobody listens there.
    NotRunning(PathBuf),
    /// No answer in time: stopped, or overloaded.
    NoAnswer(PathBuf, Duration),
    /// The place is wrong, or not to be trusted.
    Home(HomeError),
    /// Another user listens there.
    ForeignPeer {
        /// The socket.
        socket: PathBuf,
        /// Whose process it is.
        uid: u32,
    },
    /// Anything else the system said.
    Io(PathBuf, io::Error),
    /// The connection broke while it was set up.
    Broken(PathBuf, hyper::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(socket) => write!(f, "no governor listens on {}", socket.display()),
            Self::NoAnswer(socket, after) => write!(
                f,
                "the governor on {} gave no sign of life within {} ms; is it stopped or overloaded? \
                 `kpmo governor restart --force` ends it and starts another, `kpmo governor stop --force` only \
                 ends it",
                socket.display(),
                after.as_millis()
            ),
            Self::Home(error) => error.fmt(f),
            Self::ForeignPeer { socket, uid } => write!(
                f,
                "the process listening on {} belongs to user {uid} and not to you; nothing was sent to it",
                socket.display()
            ),
            Self::Io(socket, error) => write!(f, "cannot connect to {}: {error}", socket.display()),
            Self::Broken(socket, error) => write!(f, "the connection to {} broke: {error}", socket.display()),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<HomeError> for ConnectError {
    fn from(error: HomeError) -> Self {
        Self::Home(error)
    }
}

/// Connects to the governor on `socket`, within `budget`. Must be called within
/// a tokio runtime; the connection's task runs there.
pub async fn connect(socket: &Path, budget: Duration) -> Result<Connection, ConnectError> {
    if !Endpoint::socket_is_there(socket)? {
        return Err(ConnectError::NotRunning(socket.into()));
    }
    let stream = match tokio::time::timeout(budget, UnixStream::connect(socket)).await {
        Err(_) => return Err(ConnectError::NoAnswer(socket.into(), budget)),
        Ok(Err(error)) => {
            use io::ErrorKind::{ConnectionRefused, NotFound};
            return Err(match error.kind() {
                ConnectionRefused | NotFound => ConnectError::NotRunning(socket.into()),
                _ => ConnectError::Io(socket.into(), error),
            });
        }
        Ok(Ok(stream)) => stream,
    };
    let peer = stream.peer_cred().map_err(|e| ConnectError::Io(socket.into(), e))?;
    if peer.uid() != rustix::process::getuid().as_raw() {
        return Err(ConnectError::ForeignPeer { socket: socket.into(), uid: peer.uid() });
    }
    let heard = Arc::new(AtomicBool::new(false));
    let stream = Listening { stream, heard: Arc::clone(&heard) };
    let (requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|e| ConnectError::Broken(socket.into(), e))?;
    tokio::spawn(async move {
        // What breaks the connection also fails the call that uses it.
        let _ = connection.await;
    });
    Ok(Connection { requests, heard })
}

impl tower_service::Service<http::Request<tonic::body::Body>> for Connection {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<tonic::body::Body>) -> Self::Future {
        // HTTP/2 wants scheme and authority; over a unix socket they mean nothing.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if let Ok(uri) =
            http::Uri::builder().scheme("http").authority("localhost").path_and_query(path).build()
        {
            *request.uri_mut() = uri;
        }
        Box::pin(self.requests.send_request(request))
    }
}

/// A stream that remembers whether anything was ever read from it.
struct Listening {
    stream: UnixStream,
    heard: Arc<AtomicBool>,
}

impl AsyncRead for Listening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Listening {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
