"""The S3 stores that a stack can start."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from .errors import StackError
from .options import ROOT, Identity, Options
from .ports import Ports
from .processes import Process

REGION = "us-east-1"


@dataclass
class Store:
    """A store that answers."""

    endpoint_url: str
    identity: Identity
    region: str = REGION
    #: Where the store keeps its data, where this stack started it.
    data: Path | None = None
    process: Process | None = None
    _ports: tuple[int, ...] = ()

    @property
    def is_tls(self) -> bool:
        return urlsplit(self.endpoint_url).scheme == "https"

    @property
    def address(self) -> tuple[str, int]:
        """Host name and port."""
        url = urlsplit(self.endpoint_url)
        assert url.hostname is not None
        return url.hostname, url.port or (443 if self.is_tls else 80)

    @property
    def authority(self) -> str:
        """What the store expects in `Host`."""
        return urlsplit(self.endpoint_url).netloc

    def stop(self) -> None:
        """Ends the store."""
        if self.process is not None:
            self.process.stop()
        remove_sockets(self._ports)


def start(options: Options, directory: Path, ports: Ports, linger: bool) -> Store:
    """Starts the store that `options` name, and waits until it answers."""
    match options.store:
        case "seaweedfs":
            return seaweedfs(directory, ports, linger)
        case "s3s-fs":
            return s3s_fs(directory, ports, linger)
        case "external":
            assert options.external is not None
            external = options.external
            return Store(external.endpoint_url.rstrip("/"), external.identity, external.region)


def seaweedfs(directory: Path, ports: Ports, linger: bool) -> Store:
    """SeaweedFS, all of its parts in one process."""
    program = program_of_venv("weed")
    identity = Identity.generate("STORE")
    data = directory / "store"
    data.mkdir()
    config = directory / "seaweedfs.json"
    config.touch(mode=0o600)
    config.write_text(
        json.dumps(
            {
                "identities": [
                    {
                        "name": "filter",
                        "credentials": [
                            {"accessKey": identity.access_key_id, "secretKey": identity.secret_access_key}
                        ],
                        "actions": ["Admin"],
                    }
                ]
            }
        )
    )
    parts = ("master", "volume", "filer", "s3", "admin")
    http = {part: ports.take() for part in parts}
    grpc = {part: ports.take() for part in parts}
    command = [program, "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={config}"]
    command += [f"-{part}.port={port}" for part, port in http.items()]
    command += [f"-{part}.port.grpc={port}" for part, port in grpc.items()]
    command += [
        # A PUT to a bucket that is not there, and a DELETE of a bucket that is not empty, fail as in S3.
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        # Parts that nothing here needs, and the report that the store would send home.
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-volume.preStopSeconds=0",
        # Each bucket has volumes of its own, and as many may be made as would fit into the disk's free space at
        # their full size: small ones, and a number of them that does not hang on the disk.
        "-master.volumeSizeLimitMB=64",
        "-volume.max=1000",
    ]
    used = (*http.values(), *grpc.values())
    process = Process("store", command, directory, plain_environment(HOME=str(directory)), linger)
    store = Store(f"http://127.0.0.1:{http['s3']}", identity, data=data, process=process, _ports=used)
    await_answer(store)
    # It answers before it can store anything.
    process.wait_until(lambda: "ready to use" in process.log.read_text(errors="replace"), 60)
    return store


def s3s_fs(directory: Path, ports: Ports, linger: bool) -> Store:
    """s3s-fs: objects as files; strict on signatures and framing, without versions."""
    found = subprocess.run(
        ["bash", str(ROOT / "scripts" / "setup.sh"), "s3s-fs"], stdout=subprocess.PIPE, text=True, check=False
    )
    if found.returncode != 0:
        raise StackError("s3s-fs could not be installed")
    identity = Identity.generate("STORE")
    data = directory / "store"
    data.mkdir()
    port = ports.take()
    command = [found.stdout.strip(), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--access-key", identity.access_key_id, "--secret-key", identity.secret_access_key, str(data)]
    process = Process("store", command, directory, plain_environment(RUST_LOG="warn"), linger)
    store = Store(f"http://127.0.0.1:{port}", identity, data=data, process=process)
    await_answer(store)
    return store


def await_answer(store: Store) -> None:
    assert store.process is not None
    opener = build_opener(ProxyHandler({}))

    def answers() -> bool:
        try:
            opener.open(store.endpoint_url, timeout=5).close()
        except HTTPError:
            # Any answer will do; without a signature it is 403.
            return True
        except (URLError, OSError):
            return False
        return True

    store.process.wait_until(answers, 60)


def program_of_venv(name: str) -> str:
    """A program that the virtual environment running this brings along."""
    program = Path(sys.prefix) / "bin" / name
    if not program.exists():
        raise StackError(f"{name} is not installed; run this by `make`, or with the python of scripts/setup.sh")
    return str(program)


def plain_environment(**more: str) -> dict[str, str]:
    """An environment without the credentials, proxies and settings of whoever runs this."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | more


def remove_sockets(ports: tuple[int, ...]) -> None:
    """Removes the sockets that SeaweedFS leaves behind, in the one place where it puts them."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


def is_listening(port: int) -> bool:
    """Tells whether something listens on 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
