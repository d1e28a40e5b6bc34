"""Everything that has to hold before a change lands: `nox` runs it all.

One session, one kind of proof; each installs what it needs from the dependency groups of
pyproject.toml. A Python that the machine lacks is skipped; the one that runs nox is always tested.
"""

import os
import random
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "virtualenv"  # comes with nox: the same tool on every machine
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # said aloud: where CI is set, nox's default errs
# The tests come last, so that their summary is what one sees.
nox.options.sessions = ["lint", "types", "docs", "build", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# dict.fromkeys is a set that keeps its order. A Python newer than the classifiers is tested, too.
PYTHONS = list(dict.fromkeys([*nox.project.python_versions(PYPROJECT), RUNNING]))
WITH_EXTRAS = ".[aiohttp,cli,litestar,micro,redis,trio]"

# The releases that the benchmark compares with, by the folder that each is installed in. The async client
# of posthog needs httpx.
PEERS = {
    "official": ("snowplow-tracker==1.1.0",),
    "aio_official": ("aio-snowplow-tracker==1.0.2",),
    "posthog": ("posthog==7.91.1", "httpx==0.28.1"),
    "segment": ("segment-analytics-python==2.4.0",),
}

# Where what comes from outside is read; what delivery does has `model`.
FUZZED = ("tests/property", "tests/unit/micro", "tests/unit/policy", "tests/unit/protocol")

# The shims of pyenv stand on PATH for every version it has, and fail for those that the shell did
# not choose. The versions' own folders, put behind everything else, let nox find these as well.
PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
PYENV_BINS = [str(folder) for folder in sorted(PYENV.glob("versions/3.*/bin"))]
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *PYENV_BINS])


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group; pip itself knows groups only since 25.1."""
    return nox.project.dependency_groups(PYPROJECT, name)


def junit(session: nox.Session) -> str:
    """Return the option that has pytest leave its counts where `.ci/run` sums them up."""
    return f"--junit-xml=.nox/results/{session.name}.xml"


@nox.session
def lint(session: nox.Session) -> None:
    """Hold the code to the rules and to the formatter."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check every type inside, and that users see a type for everything public."""
    session.install(WITH_EXTRAS, *group("types"))
    session.run("mypy", *session.posargs)
    session.run("pyright", "--verifytypes", "aiotracker", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """Execute every fenced Python example of README.md and docs/."""
    session.install(WITH_EXTRAS, *group("test"))  # includes docs; examples use the frameworks
    pages = ["README.md", *map(str, sorted(Path("docs").glob("*.md")))]
    # In the order of the page: an example builds on those above it.
    session.run("pytest", "-p", "no:randomly", junit(session), *session.posargs, *pages)


@nox.session
def build(session: nox.Session) -> None:
    """Build both distributions; use the wheel where nothing but its dependencies is installed."""
    dist, bare = (Path(session.create_tmp(), name) for name in ("dist", "bare"))
    shutil.rmtree(dist, ignore_errors=True)
    session.install(*group("build"))
    session.run("python", "-m", "build", "--outdir", str(dist))
    check_wheel(session, *dist.glob("*.whl"))
    check_sdist(session, *dist.glob("*.tar.gz"))

    # nox's own virtualenv: Debian's venv module does not work until python3-venv is installed.
    session.run(sys.executable, "-m", "virtualenv", "--clear", str(bare), external=True)
    scripts = bare / ("Scripts" if os.name == "nt" else "bin")
    python, aiotracker = str(scripts / "python"), str(scripts / "aiotracker")
    session.run(python, "-m", "pip", "install", "--quiet", *map(str, dist.glob("*.whl")), external=True)
    # The HTTP library costs 100 ms: it is imported when a tracker is opened, not before.
    is_lazy = "import sys, aiotracker; assert not {'aiohttp', 'httpx', 'redis'} & set(sys.modules)"
    session.run(python, "-I", "-c", is_lazy, external=True)
    session.run(aiotracker, "--help", external=True)


def check_wheel(session: nox.Session, wheel: Path) -> None:
    """End the session with an error unless the wheel installs the package, and only that."""
    metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    if missing := {"aiotracker/py.typed", f"{metadata}/licenses/LICENSE"} - files:
        session.error(f"the wheel lacks {missing}")
    if strangers := {file.partition("/")[0] for file in files} - {"aiotracker", metadata}:
        session.error(f"the wheel would install {strangers} beside the package")


def check_sdist(session: nox.Session, sdist: Path) -> None:
    """End the session with an error unless the source brings its tests: packagers run them."""
    with tarfile.open(sdist) as archive:
        files = set(archive.getnames())
    if f"{sdist.name.removesuffix('.tar.gz')}/tests/conftest.py" not in files:
        session.error("the sdist lacks the tests")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is supported and here."""
    session.install(WITH_EXTRAS, *group("test"))
    # Two processes, a file of tests to each: many tests wait for a clock or a process of their own.
    session.run("pytest", "-n", "2", "--dist", "loadfile", junit(session), *session.posargs)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Play every fault at full length, hold delivery to its figures, and write them into the docs.

    Takes 25 minutes, and wants a machine that does nothing else meanwhile.
    """
    session.install(WITH_EXTRAS, *group("faults"))
    table = ("--fault-report", "docs/reliability.md")
    # `-m ""` takes back what keeps the full size out of other runs.
    session.run("pytest", "-m", "", junit(session), *table, *session.posargs, "tests/faults", "tests/life")


@nox.session(default=False)
def servers(session: nox.Session) -> None:
    """Run web applications under every server, with many visitors at once, and end them under the load."""
    session.install(WITH_EXTRAS, *group("servers"))
    session.run("pytest", "-m", "servers", "-s", junit(session), *session.posargs, "tests/servers")


@nox.session(default=False)
def crash(session: nox.Session) -> None:
    """Kill services and relays at random moments, 200 rounds on each durable store: nothing is lost.

    `nox -s crash -- --rounds 50 --seed 7 --store sqlite`; `-- --report docs/reliability.md` writes the table.
    """
    session.install(WITH_EXTRAS, *group("test"))
    session.run("python", "-m", "tests.crash", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Track for a long time under random faults; account for every event, and watch memory.

    `nox -s soak -- --minutes 20 --rate 2000`
    """
    session.install(WITH_EXTRAS, *group("test"))
    session.run("python", "-m", "benchmarks.soak", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure speed beside other trackers, each in a folder of its own: they are no dependencies of ours.

    Prints a table in less than three minutes. `nox -s bench -- --full` takes half an hour and writes
    `docs/performance.md` with its pictures; `-- --languages` adds the trackers of other languages.
    """
    session.install(".", *group("bench"))
    folder = Path(".nox/bench-peers").absolute()
    for name, requirements in PEERS.items():
        install_peer(session, folder / name, requirements)
    session.run("python", "-m", "benchmarks.speed", "--peers", str(folder), *session.posargs)


def install_peer(session: nox.Session, folder: Path, requirements: tuple[str, ...]) -> None:
    """Install packages into a folder, unless they are there; leave none when they cannot be installed."""
    wanted = "\n".join([str(session.run("python", "-VV", silent=True)), *requirements])
    mark = folder / "installed.txt"
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        session.run("python", "-m", "pip", "install", "--quiet", "--target", str(folder), *requirements)
    except nox.command.CommandFailed:
        shutil.rmtree(folder, ignore_errors=True)
        session.warn(f"{folder.name} cannot be installed: the report says so")
    else:
        mark.write_text(wanted)


@nox.session(default=False)
def model(session: nox.Session) -> None:
    """Play random programs against the model of delivery: 2,000 per loop, or a night's worth.

    `nox -s model -- --thorough` plays 50,000 in all; `--hypothesis-seed=…` plays those of an earlier run.
    """
    options = list(session.posargs)
    examples = 2_000
    if "--thorough" in options:
        options.remove("--thorough")
        examples = 50_000 // 3 + 1
    session.install(WITH_EXTRAS, *group("test"))
    environment = {"AIOTRACKER_MODEL_EXAMPLES": str(examples)}
    session.run("pytest", "--timeout=0", junit(session), *seeded(options), "tests/model", env=environment)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Feed everything that reads from outside: requests, headers, cookies, URLs, addresses, replies, data.

    Each property with 5,000 examples; `AIOTRACKER_FUZZ_EXAMPLES=100000 nox -s fuzz` with that many.
    `--hypothesis-seed=…` repeats an earlier run, `-- -k identity` chooses properties.
    """
    session.install(WITH_EXTRAS, *group("test"))
    # The mark is Hypothesis's own, and on each of its tests.
    chosen = ("-m", "hypothesis and not faults", "--hypothesis-profile=fuzz", "--timeout=0")
    session.run("pytest", *chosen, junit(session), *seeded(session.posargs), *FUZZED)


def seeded(options: Sequence[str]) -> list[str]:
    """Return the options with a seed for Hypothesis: nox shows the command, so that it can be repeated."""
    if any(option.startswith("--hypothesis-seed") for option in options):
        return list(options)
    return [*options, f"--hypothesis-seed={random.randrange(2**32)}"]


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Show which lines and branches the tests do not reach."""
    session.install("--editable", WITH_EXTRAS, *group("test"))
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")
