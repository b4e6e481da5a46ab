use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::runtime::Runtime;

use super::{Failure, show::note};
use crate::{
    client::{Budgets, ConnectError, Connection, Endpoint, Home, connect, connect_or_start},
    generated::kanban::{HandshakeRequest, governor_client::GovernorClient},
};

/// How long a process that was killed may take to be gone.
const MOMENT: Duration = Duration::from_millis(200);

/// What every command has at hand.
pub(super) struct Context {
    pub home: Home,
    pub json: bool,
    runtime: Runtime,
}

impl Context {
    pub fn new(home: Option<&Path>, installed: bool, json: bool) -> Result<Self, Failure> {
        let of_installed = if installed { Home::of_installed() } else { None };
        let home = match of_installed {
            Some(home) => home,
            None => Home::of_command(home)?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { home, json, runtime })
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The governor, started if need be.
    pub async fn governor(&self) -> Result<Connection, Failure> {
        // Before anything is made: it may be too long.
        self.socket()?;
        let program = std::env::current_exe()?;
        let installed = self.home.bin.join("kpmo");
        let program = if installed.is_file() { installed } else { program };
        // A person waits longer than a hook: a large ledger may have to recover.
        let budgets = Budgets { start_ms: 15_000, ..self.budgets() };
        let connection = connect_or_start(&self.home, Some(&program), budgets).await?;
        self.shake_hands(connection).await
    }

    /// The governor, if it runs.
    pub async fn running(&self) -> Result<Option<Connection>, Failure> {
        match self.if_running().await {
            // It was dying, and its socket had not heard of that.
            Err(failure) if failure.is_gone() => {
                tokio::time::sleep(MOMENT).await;
                self.if_running().await
            }
            answer => answer,
        }
    }

    /// The next governor, for those who watch: it is not started for them, or nobody
    /// could stop it. Says so where it has to be waited for.
    pub async fn next_governor(&self) -> Result<Connection, Failure> {
        let mut told = false;
        loop {
            match self.running().await {
                Ok(None) => {}
                Err(failure) if failure.is_gone() => {}
                Ok(Some(connection)) => return Ok(connection),
                Err(failure) => return Err(failure),
            }
            if !told {
                note("kpmo: the governor has ended; this goes on with the next one");
                told = true;
            }
            tokio::time::sleep(MOMENT).await;
        }
    }

    async fn if_running(&self) -> Result<Option<Connection>, Failure> {
        match connect(&self.socket()?, self.budgets().connect()).await {
            Err(ConnectError::NotRunning(_)) => Ok(None),
            other => Ok(Some(self.shake_hands(other?).await?)),
        }
    }

    pub fn socket(&self) -> Result<PathBuf, Failure> {
        Ok(Endpoint::socket(&self.home, Endpoint::read(&self.home).as_ref())?)
    }

    pub fn budgets(&self) -> Budgets {
        Endpoint::read(&self.home).map(|endpoint| endpoint.budgets).unwrap_or_default()
    }

    /// Major versions must agree; a governor that is stopped is told apart from
    /// one that is slow.
    async fn shake_hands(&self, connection: Connection) -> Result<Connection, Failure> {
        let mut client = GovernorClient::new(connection.clone());
        let hello = client.handshake(HandshakeRequest {
            client_version: env!("CARGO_PKG_VERSION").into(),
            client_name: "kpmo".into(),
        });
        // At a terminal a machine under load is no reason to give up.
        let patience = self.budgets().sign_of_life().max(Duration::from_secs(3));
        match tokio::time::timeout(patience, hello).await {
            Err(_) => Err(ConnectError::NoAnswer(self.socket()?, patience).into()),
            Ok(answer) => {
                answer?;
                Ok(connection)
            }
        }
    }
}

/// A path as given, made absolute; `~` has been the shell's business.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}
