"""The house rules that ruff, mypy and import-linter cannot express. Reads source as text and trees; runs none of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from tests.source import ROOMS, ROOT, SOURCES, imports, named_here, nodes, project_files, words

MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 45

OVERCLAIMING = {
    *("person", "persons", "identity", "identities", "suspect", "suspects"),
    *("hit", "hits", "probability", "probabilities"),
}
SHAPELESS = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common"}

ONLY_IN = {
    "av": ("board/camera_host.py", "firmware/bench/*", "firmware/demo_files.py"),
    "cv2": ("firmware/bench/*", "models/evaluation/peer_opencv.py"),
    "face_recognition": ("models/evaluation/peer_dlib.py",),
    "iotcore": ("firmware/link/broker.py",),
    "jetson_inference": ("models/prefilter_detectnet.py",),
    "jetson_utils": ("board/camera_jetson.py",),
    "onnx": ("models/*",),
    "onnxruntime": ("models/judge.py",),
    "openvino": ("models/runner_openvino.py",),
    "paho": (
        "firmware/bounded_client.py",
        "firmware/link/*",
        "firmware/control/session.py",
        "firmware/bench/fleet*.py",
    ),
    "serial": ("board/*",),
    "tensorrt": ("models/runner_tensorrt.py",),
    "boto3": ("ota/repository/*",),
    "safetensors": ("ota/bundle.py",),
    "tuf": ("ota/*",),
    "tuf.ngclient": ("ota/durable.py", "ota/fetch.py"),
    "urllib3": ("ota/*",),
    "zstandard": ("ota/*",),
    "typer": ("*/cli.py", "firmware/fleet/options.py", "models/options.py"),
}
"""Each foreign package or part of one, and the only files that may import it."""

SHARED = {"wire", "framing", "config", "log"}
"""What the two sides of the wall both know."""
KNOWN = {
    "match": SHARED | {"match", "handover", "messages", "arguments", "envelope", "policy"},
    "agent": SHARED | {"agent", "listener", "messages", "handover", "policy", "tls"},
    "link": SHARED | {"link", "listener", "topics", "tls", "bounded_client"},
    "control": {
        "control",
        "tls",
        "bounded_client",
        "messages",
        "arguments",
        "envelope",
        "policy",
        "topics",
        "wire",
        "config",
        "log",
    },
}
"""What each side may know of ``firmware``: link relays what it cannot read, so it knows no message."""

TELL_THE_TIME = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
MAY_TELL_THE_TIME = (
    *(
        "firmware/cli.py",
        "firmware/control/cli.py",
        "firmware/fleet/*cli.py",
        "firmware/fleet/options.py",
        "firmware/demo*",
        "firmware/*/service.py",
        "firmware/match/office.py",
        "board/clock.py",
    ),
)
"""Where the wall clock enters; all else is told the time, so that a replay is deterministic."""

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv"}

# In pieces, so that this file does not name them either.
REGISTRIES = tuple(
    "".join(parts).encode()
    for parts in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("--index", "-url"),
        ("--extra-index", "-url"),
        ("npmjs", ".org"),
        ("deb.debian", ".org"),
        ("archive.ubuntu", ".com"),
    )
)


def test_there_is_something_to_check() -> None:
    assert set(ROOMS) <= {path.split("/")[0] for path in SOURCES}
    assert ROOT / "pyproject.toml" in project_files()


def test_modules_stay_short() -> None:
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_MODULE_LINES} == {}


def test_functions_stay_short() -> None:
    lengths = {
        f"{path}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, node in nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_every_module_says_what_it_knows() -> None:
    assert [path for path, tree in SOURCES.items() if not ast.get_docstring(tree)] == []


def test_every_folder_of_code_is_a_package() -> None:
    folders = {Path(path).parent.as_posix() for path in SOURCES}
    assert [folder for folder in sorted(folders) if f"{folder}/__init__.py" not in SOURCES] == []


def test_names_do_not_overclaim() -> None:
    names = {f"{path}: {named_here(node)}" for path, node in nodes() if words(named_here(node)) & OVERCLAIMING}
    assert sorted(names) == []


def test_files_are_named_after_what_they_know() -> None:
    assert [path for path in SOURCES if words(path) & SHAPELESS] == []


def test_each_foreign_package_has_one_home() -> None:
    strays = [
        f"{path} imports {name}"
        for path, tree in SOURCES.items()
        for name in imports(tree)
        for package, homes in ONLY_IN.items()
        if f"{name}.".startswith(f"{package}.") and not any(fnmatch(path, home) for home in homes)
    ]
    assert strays == []


def test_the_match_process_loads_no_network_client() -> None:
    without_fleet = "import sys; sys.modules['boto3'] = None"  # an admin's machine has it, and a signer looks for it
    clients = "{'tuf.ngclient', 'urllib3', 'requests', 'paho'}"
    code = f"{without_fleet}; import firmware.match.service; print({clients} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_each_side_of_the_wall_knows_no_more_than_it_needs() -> None:
    strays = [
        f"{path} imports {name}"
        for path, tree in SOURCES.items()
        for name in imports(tree)
        for side, known in KNOWN.items()
        if path.startswith(f"firmware/{side}/")
        if name.startswith("firmware.") and name.split(".")[1] not in known
    ]
    assert strays == []


def test_nothing_reads_the_environment() -> None:
    reads = [
        f"{path}: {node.attr}" for path, node in nodes() if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT
    ]
    imported = [
        f"{path}: {name}"
        for path, tree in SOURCES.items()
        for name in imports(tree)
        if name.split(".")[-1] in ENVIRONMENT
    ]
    assert reads + imported == []


def test_only_entries_ask_for_the_time() -> None:
    calls = [
        f"{path}:{node.lineno}"
        for path, node in nodes()
        if isinstance(node, ast.Call)
        if ".".join(ast.unparse(node.func).split(".")[-2:]) in TELL_THE_TIME
        if not any(fnmatch(path, entry) for entry in MAY_TELL_THE_TIME)
    ]
    assert calls == []


def test_no_file_names_a_package_registry() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {host.decode()}"
        for path in project_files()
        for host in REGISTRIES
        if host in path.read_bytes()
    ]
    assert named == []


def test_locks_pin_every_package_by_digest() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        text = lock.read_text("utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == [], lock.name
