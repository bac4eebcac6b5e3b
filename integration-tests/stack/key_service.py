"""The development key service, and the keys that it hands out."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import StackError
from .options import TARGET, Options
from .ports import Ports
from .processes import Process
from .store import is_listening, plain_environment

KEK_ID = "s3proxy-kek"
PROGRAM = TARGET / "release" / "key-service"


@dataclass
class KeyService:
    """A key service; without a process its keys are in the filter's configuration."""

    #: The KEK that new objects are wrapped with, 32 bytes.
    kek: bytes = field(repr=False)
    port: int
    process: Process | None = None
    _restart: tuple[str, dict[str, str], Path, bool] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """Ends the key service, as an outage or for good."""
        if self.process is not None:
            self.process.stop()

    def start_again(self, *arguments: str) -> None:
        """Starts it again, on its port and with its keys, with these arguments more."""
        assert self._restart is not None, "a static key service has no process"
        program, environment, directory, linger = self._restart
        command = [program, "--listen", f"127.0.0.1:{self.port}", *arguments]
        self.process = Process("key-service", command, directory, environment, linger)
        self.process.wait_until(lambda: is_listening(self.port), 10)


def start(options: Options, directory: Path, ports: Ports, linger: bool) -> KeyService:
    """Starts the key service that `options` name, with new keys."""
    port = ports.take()
    if options.key_service == "static" or not options.filter:
        return KeyService(secrets.token_bytes(32), port)
    if not PROGRAM.exists():
        raise StackError("target/release/key-service is missing; `make build` makes it")
    master, salt = secrets.token_bytes(32), secrets.token_bytes(32)
    environment = plain_environment(KEY_SERVICE_MASTER_SECRET=master.hex(), KEY_SERVICE_SALT=salt.hex())
    service = KeyService(derive(master, salt, KEK_ID), port)
    service._restart = (str(PROGRAM), environment, directory, linger)
    service.start_again(*options.key_service_arguments)
    return service


def derive(master: bytes, salt: bytes, key_id: str) -> bytes:
    """Constellation's derivation: HKDF-SHA256 with info "key-" and the key's id."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=f"key-{key_id}".encode()).derive(master)
