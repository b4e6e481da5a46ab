"""A stock gRPC client of the governor: client.py PROTO_DIR SOCKET WORK_DIR.

Makes its stubs of the contract, as any user of it would, and prints `ok NAME`
for each thing that holds. The governor has the repositories `app` and `web`.
"""

import os
import signal
import sys
import time
import uuid

import grpc
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_tools import protoc
from grpc_tools import __file__ as grpc_tools_file

PROTO_DIR, SOCKET, WORK_DIR = sys.argv[1:]
# For what takes as long as it takes: reached only when a check fails.
PATIENCE = 60
SERVICES = [
    "kanban.v1.RepoRegistry",
    "kanban.v1.ContextCheck",
    "kanban.v1.IssueEvent",
    "kanban.v1.Governor",
    "probe.v1.Probe",
]

well_known = os.path.join(os.path.dirname(grpc_tools_file), "_proto")
compiled = protoc.main(
    ["protoc", f"-I{PROTO_DIR}", f"-I{well_known}", f"--python_out={WORK_DIR}", f"--grpc_python_out={WORK_DIR}"]
    + ["kanban.proto", "probe.proto"]
)
assert compiled == 0, "the contract does not compile"
sys.path.insert(0, WORK_DIR)
import kanban_pb2 as kanban  # noqa: E402
import kanban_pb2_grpc as kanban_grpc  # noqa: E402
import probe_pb2 as probe  # noqa: E402
import probe_pb2_grpc as probe_grpc  # noqa: E402


def open_channel():
    # Without it the socket's path becomes the authority, which HTTP/2 has no
    # name for.
    options = [("grpc.default_authority", "localhost"), ("grpc.max_send_message_length", -1)]
    return grpc.insecure_channel(f"unix:{SOCKET}", options=options)


channel = open_channel()
registry = kanban_grpc.RepoRegistryStub(channel)
context_check = kanban_grpc.ContextCheckStub(channel)
issue_event = kanban_grpc.IssueEventStub(channel)
governor = kanban_grpc.GovernorStub(channel)


def ok(name):
    print("ok", name, flush=True)


def refused(call, request, code, reason=None, **metadata):
    """The call fails with this code, and says why as the contract has it."""
    try:
        answer = call(request, timeout=PATIENCE)
        answer = answer if hasattr(answer, "DESCRIPTOR") else list(answer)
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} instead of {code}: {error.details()}"
        assert error.details(), "in words"
        if reason is not None:
            info = error_info(error)
            assert (info.domain, info.reason) == ("kpmo", reason), info
            for key, value in metadata.items():
                assert info.metadata[key] == value, info
        return error
    raise AssertionError(f"it was answered: {str(answer)[:300]}")


def error_info(error):
    (details,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    assert status.code == error.code().value[0]
    info = error_details_pb2.ErrorInfo()
    found = [detail for detail in status.details if detail.Unpack(info)]
    assert len(found) == 1, status
    return info


def emission(**fields):
    return kanban.EmitRequest(kind=kanban.EVENT_KIND_TICK, card="TASK-1", **fields)


def uuid7():
    value = (int(time.time() * 1000) << 80) | (7 << 76) | (0b10 << 62) | (uuid.uuid4().int & ((1 << 62) - 1))
    return str(uuid.UUID(int=value))


# --- repositories

repos = registry.ListRepos(kanban.ListReposRequest(), timeout=PATIENCE)
assert sorted(repo.name for repo in repos.repos) == ["app", "web"], repos
assert repos.registry_version and not repos.registry_error
ok("list")

app = registry.GetRepo(kanban.GetRepoRequest(selector="app"), timeout=PATIENCE).repo
assert app in repos.repos and app.local_path.endswith(b"/app") and app.status == kanban.REPO_STATUS_ACTIVE
for selector in [app.id, app.local_path.decode()]:
    assert registry.GetRepo(kanban.GetRepoRequest(selector=selector), timeout=PATIENCE).repo == app
ok("get")

missing = kanban.GetRepoRequest(selector="apps")
not_found = grpc.StatusCode.NOT_FOUND
error = refused(registry.GetRepo, missing, not_found, "REPO_NOT_FOUND", selector="apps", nearest="app")
assert "app" in error.details()
ok("not-found")

refused(registry.AddRepo, kanban.AddRepoRequest(path=b"/nowhere/at/all"), not_found, "PATH_NOT_FOUND")
precondition = grpc.StatusCode.FAILED_PRECONDITION
refused(registry.AddRepo, kanban.AddRepoRequest(path=WORK_DIR.encode()), precondition, "NOT_A_REPOSITORY")
ok("add-refused")

states = list(registry.ListRepoStatuses(kanban.ListRepoStatusesRequest(), timeout=PATIENCE))
assert [state.state.repo.name for state in states] == [repo.name for repo in repos.repos]
assert all(state.state.hooks == kanban.HOOKS_STATE_OK and state.total == 2 for state in states), states
ok("states")

tracked = list(
    probe_grpc.ProbeStub(channel).Track(
        probe.TrackRequest(roots=[os.path.dirname(app.local_path)]), timeout=PATIENCE
    )
)
assert tracked[-1].summary.found == 2 and tracked[0].found.kind == probe.REPO_KIND_WORKTREE, tracked
ok("track")

# --- events

own_id = uuid7()
first = issue_event.Emit(emission(event_id=own_id, repo="app", attributes={"n": "1"}), timeout=PATIENCE).event
again = issue_event.Emit(emission(event_id=own_id, repo="app", attributes={"n": "2"}), timeout=PATIENCE).event
assert first == again and first.event_id == own_id and first.repo_id == app.id, (first, again)
assert first.attributes["n"] == "1" and len(first.hash) == 32 and first.actor == "client"
ok("emit-once")

replayed = list(issue_event.Stream(kanban.StreamRequest(from_seq=0), timeout=PATIENCE))
assert [answer.event.seq for answer in replayed] == list(range(1, len(replayed) + 1))
assert replayed[-1].event == first
from_one = list(issue_event.Stream(kanban.StreamRequest(from_seq=1), timeout=PATIENCE))
assert from_one == replayed, "0 and 1 both mean from the beginning"
kinds = list(issue_event.Stream(kanban.StreamRequest(kinds=[kanban.EVENT_KIND_TICK]), timeout=PATIENCE))
assert [answer.event for answer in kinds] == [first]
ok("replay")

following = issue_event.Stream(kanban.StreamRequest(from_seq=first.seq, follow=True, kinds=[first.kind]), timeout=PATIENCE)
assert next(following).event == first
second = issue_event.Emit(emission(), timeout=PATIENCE).event
assert next(following).event == second and second.seq > first.seq
following.cancel()
ok("follow")

EVENTS = 3000
slow = issue_event.Stream(kanban.StreamRequest(from_seq=second.seq + 1, follow=True, kinds=[second.kind]), timeout=PATIENCE * 3)
emitted = set()


def emit_many(count):
    """In groups: fewer calls at once than the governor takes."""
    for start in range(0, count, 100):
        calls = [
            issue_event.Emit.future(emission(attributes={"filler": "x" * 500}), timeout=PATIENCE)
            for _ in range(min(100, count - start))
        ]
        emitted.update(call.result().event.seq for call in calls)


emit_many(EVENTS // 2)
read = [next(slow).event.seq for _ in range(EVENTS // 4)]
# It reads nothing while the others write more than any buffer between holds.
emit_many(EVENTS // 2)
read += [next(slow).event.seq for _ in range(EVENTS - len(read))]
slow.cancel()
assert len(emitted) == EVENTS and read == sorted(emitted), (len(emitted), len(read))
ok("slow-reader")

# --- what is wrong

bad = grpc.StatusCode.INVALID_ARGUMENT
for field, request in [
    ("kind", kanban.EmitRequest(card="TASK-1")),
    ("kind", kanban.EmitRequest(kind=99, card="TASK-1")),
    ("kind", kanban.EmitRequest(kind=kanban.EVENT_KIND_VERDICT, card="TASK-1")),
    ("card", kanban.EmitRequest(kind=kanban.EVENT_KIND_TICK)),
    ("card", kanban.EmitRequest(kind=kanban.EVENT_KIND_TICK, card="x" * 201)),
    ("event_id", emission(event_id="1")),
    ("attributes", emission(attributes={"x": "x" * 17000})),
    ("attributes", emission(attributes={str(n): "" for n in range(65)})),
]:
    refused(issue_event.Emit, request, bad, "BAD_REQUEST", field=field)
refused(issue_event.Emit, emission(repo="nope"), not_found, "REPO_NOT_FOUND")
ok("emit-refused")

refused(issue_event.Stream, kanban.StreamRequest(kinds=[99]), bad, "BAD_REQUEST", field="kinds")
known_and_not = kanban.StreamRequest(kinds=[kanban.EVENT_KIND_TICK, 99])
refused(issue_event.Stream, known_and_not, bad, "BAD_REQUEST", field="kinds")
refused(issue_event.Stream, kanban.StreamRequest(repo="nope"), not_found, "REPO_NOT_FOUND")
ok("stream-refused")


def hook(**fields):
    request = dict(call_id=uuid7(), event=kanban.HOOK_EVENT_PRE_COMMIT, working_directory=app.local_path)
    request.update(fields)
    return kanban.HookRequest(**request)


for field, request in [
    ("event", hook(event=99)),
    ("event", hook(event=99, replayed=True)),
    ("event", hook(event=kanban.HOOK_EVENT_UNSPECIFIED)),
    ("call_id", hook(call_id="../../../etc/passwd")),
    ("working_directory", hook(working_directory=b"app")),
]:
    refused(context_check.Hook, request, bad, "BAD_REQUEST", field=field)
refused(context_check.Hook, hook(working_directory=WORK_DIR.encode()), precondition, "NOT_A_REPOSITORY")
judged = context_check.Hook(hook(), timeout=PATIENCE)
assert judged.verdict == kanban.VERDICT_PASS and judged.repo_name == "app", judged
ok("hook")

deadline = grpc.StatusCode.DEADLINE_EXCEEDED
try:
    # It never ends by itself.
    list(issue_event.Stream(kanban.StreamRequest(from_seq=1 << 62, follow=True), timeout=0.001))
    raise AssertionError("it ended")
except grpc.RpcError as error:
    assert error.code() == deadline, error
ok("deadline")

large = kanban.EmitRequest(kind=kanban.EVENT_KIND_TICK, card="x" * (4 << 20))
refused(issue_event.Emit, large, grpc.StatusCode.OUT_OF_RANGE)
large = kanban.HookRequest(stdin=b"x" * (16 << 20))
refused(context_check.Hook, large, grpc.StatusCode.OUT_OF_RANGE)
pid = governor.Status(kanban.StatusRequest(), timeout=PATIENCE).pid
ok("too-large")

# --- the governor

status = governor.Status(kanban.StatusRequest(), timeout=PATIENCE)
assert status.pid == pid and status.socket.decode() == SOCKET and status.repos == 2, status
assert status.ledger_seq >= max(emitted) and not status.problems and status.uptime.ToTimedelta()
ok("status")

agreed = governor.Handshake(kanban.HandshakeRequest(client_version=status.version, client_name="py"))
assert agreed.governor_version == status.version and not agreed.restart_advised
major = int(status.version.split(".")[0])
newer = kanban.HandshakeRequest(client_version=f"{major}.999.0", client_name="py")
assert governor.Handshake(newer, timeout=PATIENCE).restart_advised
other = kanban.HandshakeRequest(client_version="9.0.0", client_name="py")
error = refused(governor.Handshake, other, precondition, "VERSION_MISMATCH")
assert "9.0.0" in error.details() and "kpmo up" in error.details()
refused(governor.Handshake, kanban.HandshakeRequest(client_version="new"), bad, "BAD_REQUEST", field="client_version")
ok("handshake")

# --- standard services

health = health_pb2_grpc.HealthStub(channel)
for service in [""] + SERVICES:
    checked = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
    assert checked.status == health_pb2.HealthCheckResponse.SERVING, service
refused(health.Check, health_pb2.HealthCheckRequest(service="nope"), not_found)
ok("health")


def reflect(call):
    def ask(**wanted):
        return next(call(iter([reflection_pb2.ServerReflectionRequest(**wanted)]), timeout=PATIENCE))

    names = {service.name for service in ask(list_services="").list_services_response.service}
    assert names >= set(SERVICES) | {"grpc.health.v1.Health"}, names
    found = ask(file_containing_symbol="kanban.v1.IssueEvent").file_descriptor_response.file_descriptor_proto
    assert descriptor_pb2.FileDescriptorProto.FromString(found[0]).name == "kanban.proto", found
    missing = reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Thing")
    refused(lambda request, timeout: call(iter([request]), timeout=timeout), missing, not_found)


reflect(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo)
ok("reflection-v1alpha")
# Its messages are those of v1alpha.
reflect(
    channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
)
ok("reflection-v1")

# --- many

others = [open_channel() for _ in range(50)]
answers = [
    kanban_grpc.GovernorStub(other).Status.future(kanban.StatusRequest(), timeout=PATIENCE) for other in others
]
assert {answer.result().pid for answer in answers} == {pid}
for other in others:
    other.close()
ok("connections")

# Streams that follow are no calls under way: they cost nobody a place.
streams = [
    issue_event.Stream(kanban.StreamRequest(from_seq=1, follow=True), timeout=PATIENCE) for _ in range(300)
]
for stream in streams:
    assert next(stream).event.seq == 1
assert governor.Status(kanban.StatusRequest(), timeout=PATIENCE).pid == pid
for stream in streams:
    stream.cancel()
ok("streams")

# More calls at once than are let in: each is answered or turned away at once.
os.kill(pid, signal.SIGSTOP)
others = [open_channel() for _ in range(10)]
calls = [
    kanban_grpc.ContextCheckStub(other).Hook.future(hook(), timeout=PATIENCE)
    for other in others
    for _ in range(100)
]
os.kill(pid, signal.SIGCONT)
outcomes = []
for call in calls:
    try:
        assert call.result().verdict == kanban.VERDICT_PASS
        outcomes.append("answered")
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            assert error.details(), error
        outcomes.append(error.code().name)
kinds = sorted(set(outcomes))
assert set(kinds) <= {"answered", "RESOURCE_EXHAUSTED"} and "answered" in kinds, kinds
assert governor.Status(kanban.StatusRequest(), timeout=PATIENCE).pid == pid
ok("overload " + " ".join(f"{kind}={outcomes.count(kind)}" for kind in kinds))
