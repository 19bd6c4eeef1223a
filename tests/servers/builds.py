"""The servers of others, built once: hapi/ with Maven, medplum/ with npm; kept until their sources change."""

import hashlib
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
HAPI, MEDPLUM = HERE / "hapi", HERE / "medplum"
CLASSPATH = HAPI / "target" / "classpath"
BUILD_SECONDS = 900
JVM = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"


def missing(*tools: str) -> list[str]:
    """Which of the tools this machine lacks."""
    return [tool for tool in tools if shutil.which(tool) is None]


def hapi_command(fhir_version: str, port: int, database: str) -> list[str]:
    """How HAPI is started; `database` is what follows `jdbc:h2:`, and a file outlives a restart."""
    if not _is_built(HAPI) or not all(Path(jar).exists() for jar in _jars()):
        _run(
            HAPI, "mvn", "-B", "-q", "compile", "dependency:build-classpath", f"-Dmdep.outputFile={CLASSPATH}"
        )
    classpath = ":".join([str(HAPI / "target" / "classes"), *_jars()])
    storage = f"jdbc:h2:{database};DB_CLOSE_DELAY=-1"
    return [
        "java",
        *JVM,
        QUIET,
        "-cp",
        classpath,
        "cryocohort.hapi.HapiServer",
        fhir_version,
        str(port),
        storage,
    ]


def medplum_command(port: int) -> list[str]:
    """How the Medplum router is started."""
    if not _is_built(MEDPLUM) or not (MEDPLUM / "node_modules").exists():
        _run(MEDPLUM, "npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock")
    return ["node", "--experimental-websocket", str(MEDPLUM / "server.mjs"), str(port)]


def _jars() -> list[str]:
    return CLASSPATH.read_text(encoding="utf-8").split(":") if CLASSPATH.exists() else [""]


def _sources(project: Path) -> str:
    names = ("pom.xml", "package.json", "src/**/*.java")
    files = sorted(path for name in names for path in project.glob(name))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _key(project: Path) -> Path:
    return project / "target" / "sources.sha256"


def _is_built(project: Path) -> bool:
    key = _key(project)
    return key.exists() and key.read_text(encoding="utf-8") == _sources(project)


def _run(project: Path, *command: str) -> None:
    subprocess.run(command, cwd=project, check=True, timeout=BUILD_SECONDS)
    _key(project).parent.mkdir(exist_ok=True)
    _key(project).write_text(_sources(project), encoding="utf-8")
