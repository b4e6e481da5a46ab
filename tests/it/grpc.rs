//! The contract, as clients meet it that are none of ours.

use std::{fs, io::Read, os::unix::fs::PermissionsExt, os::unix::net::UnixStream, path::Path};

use tonic::Code;
use tonic_types::StatusExt;

use crate::world::{Caller, Ran, World, is_root, left_out, python};

/// All that `client.py` finds in order.
const CHECKS: [&str; 23] = [
    "list",
    "get",
    "not-found",
    "add-refused",
    "states",
    "track",
    "emit-once",
    "replay",
    "follow",
    "slow-reader",
    "emit-refused",
    "stream-refused",
    "hook",
    "deadline",
    "too-large",
    "status",
    "handshake",
    "health",
    "reflection-v1alpha",
    "reflection-v1",
    "connections",
    "streams",
    "overload",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_stock_python_client_gets_what_the_contract_says() {
    let Some(python) = python() else { return };
    let world = World::new().repo("app", &[("a.txt", "one\n")]).repo("web", &[("a.txt", "one\n")]).up();
    world.until_captured();
    let work = world.path("python");
    fs::create_dir(&work).unwrap();
    let mut client = world.command(python);
    client.arg(root().join("tests/it/python/client.py")).arg(root().join("proto"));
    client.arg(world.socket()).arg(&work);
    let said = Ran::of(&mut client).fine().stdout;
    for check in CHECKS {
        assert!(said.lines().any(|line| line.split(' ').nth(1) == Some(check)), "{check}: {said}");
    }
    world.kpmo(["ledger", "verify"]).fine();
}

#[test]
fn another_major_version_is_refused_with_the_mend() {
    let world = World::new();
    world.kpmo(["governor", "start"]).fine();
    let caller = Caller::new(&world).unwrap();
    assert_eq!(
        caller.handshake(env!("CARGO_PKG_VERSION")).unwrap().governor_version,
        env!("CARGO_PKG_VERSION")
    );
    let status = caller.handshake("9.0.0").unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "VERSION_MISMATCH");
    assert!(status.message().contains("9.0.0") && status.message().contains("kpmo up"), "{status:?}");
}

#[test]
fn what_is_no_grpc_is_hung_up_on() {
    let world = World::new();
    world.kpmo(["governor", "start"]).fine();
    for rubbish in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[0; 10_000], b"\x16\x03\x01"] {
        let mut stream = UnixStream::connect(world.socket()).unwrap();
        let _ = std::io::Write::write_all(&mut stream, rubbish);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 1_000, "{} bytes", answer.len());
    }
    world.kpmo(["governor", "status"]).fine();
}

#[test]
fn another_users_process_is_turned_away() {
    if !is_root() {
        return left_out("only root can become another user");
    }
    let Some(python) = python() else { return };
    let world = World::new();
    world.kpmo(["governor", "start"]).fine();
    // Sends HTTP/2's preface and a SETTINGS frame, and prints what comes back.
    let script = "import socket, sys\n\
        s = socket.socket(socket.AF_UNIX)\n\
        s.connect(sys.argv[1])\n\
        try:\n    s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))\n\
        except OSError: pass\n\
        try: print(len(s.recv(100)))\n\
        except OSError: print(0)\n";
    let as_user = |uid: &str| {
        let mut other = world.command("setpriv");
        other.args(["--reuid", uid, "--regid", uid, "--clear-groups"]).arg(&python);
        Ran::of(other.args(["-c", script]).arg(world.socket()).current_dir("/"))
    };
    let socket = world.socket();
    let run = socket.parent().unwrap();
    as_user("65534").ended(1).says("Permission denied");
    // Past the file system's door.
    for path in [&world.path(""), &world.home(), run] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(as_user("65534").fine().stdout, "0\n");
    assert_ne!(as_user("0").fine().stdout, "0\n", "its own user is answered");
    fs::set_permissions(run, fs::Permissions::from_mode(0o700)).unwrap();
    let log = fs::read_to_string(world.home().join("state/logs/governor.log")).unwrap();
    assert!(log.contains("another user") && log.contains("65534"), "{log}");
}
