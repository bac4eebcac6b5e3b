"""A stack as a whole."""

import shlex
import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType

from . import envoy, key_service, store, tls
from .errors import StackError
from .options import Identity, Options
from .ports import Ports
from .processes import end_all


class Stack:
    """Store, key service and Envoy, running."""

    def __init__(self, directory: Path, options: Options, linger: bool, progress: Callable[[str], None]) -> None:
        """Use `Stack.start`."""
        self.directory = directory
        self.options = options
        self._ending = ExitStack()
        try:
            ports = self._ending.enter_context(closing(Ports()))
            # Last of all what no part below has yet taken over: a program that never became ready.
            self._ending.callback(end_all, directory)
            progress(f"starting the store ({options.store})")
            self.store = store.start(options, directory, ports, linger)
            self._ending.callback(self.store.stop)
            if options.filter:
                progress(f"starting the key service ({options.key_service})")
                self.client, self.alt_client = Identity.generate("CLIENT"), Identity.generate("ALT")
            else:
                # Requests reach the store with the client's own signature.
                self.client = self.alt_client = self.store.identity
            self.key_service = key_service.start(options, directory, ports, linger)
            self._ending.callback(self.key_service.stop)
            progress("starting Envoy" + ("" if options.filter else " without the filter"))
            tls.make_certificates(directory)
            clients = [self.client, self.alt_client]
            self.envoy = envoy.start(options, directory, ports, linger, self.store, self.key_service, clients)
            self._ending.callback(self.envoy.stop)
        except BaseException:
            self.stop()
            raise
        if linger:
            ports.close()

    @classmethod
    def start(
        cls,
        directory: Path,
        options: Options = Options(),
        *,
        linger: bool = False,
        progress: Callable[[str], None] = lambda line: None,
    ) -> "Stack":
        """Starts a stack that keeps its files in `directory`, which must be empty or not there.

        With `linger` its programs outlive this process; `end_all` of the processes module ends them.
        """
        directory = directory.resolve()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(directory.iterdir()):
            raise StackError(f"{directory} is not empty")
        return cls(directory, options, linger, progress)

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.envoy.http_port}"

    @property
    def https_url(self) -> str:
        """The name and address that the certificate is for: localhost or 127.0.0.1."""
        return f"https://127.0.0.1:{self.envoy.https_port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.envoy.admin_port}"

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def region(self) -> str:
        return self.store.region

    @property
    def kek(self) -> bytes:
        """The KEK that new objects are wrapped with, 32 bytes."""
        return self.key_service.kek

    def environment(self) -> dict[str, str]:
        """All that a client, or whoever looks into the store, needs to know."""
        return {
            "AWS_ENDPOINT_URL": self.http_url,
            "AWS_ENDPOINT_URL_TLS": self.https_url,
            "AWS_CA_BUNDLE": str(self.ca_file),
            "AWS_ACCESS_KEY_ID": self.client.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.client.secret_access_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "ALT_ACCESS_KEY_ID": self.alt_client.access_key_id,
            "ALT_SECRET_ACCESS_KEY": self.alt_client.secret_access_key,
            "STORE_ENDPOINT_URL": self.store.endpoint_url,
            "STORE_ACCESS_KEY_ID": self.store.identity.access_key_id,
            "STORE_SECRET_ACCESS_KEY": self.store.identity.secret_access_key,
            "STORE_REGION": self.region,
            "KEK_HEX": self.kek.hex(),
            "ENVOY_ADMIN_URL": self.admin_url,
            "ENVOY_PID": str(self.envoy.process.pid),
        }

    def write_environment(self) -> Path:
        """Writes `environment` to the file `env`, for a shell to source."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.environment().items()]
        # What the shell may have of an earlier stack or a real account, and what would get in the way.
        lines.append("unset AWS_SESSION_TOKEN AWS_PROFILE\n")
        path = self.directory / "env"
        path.touch(mode=0o600)
        path.write_text("".join(lines))
        return path

    def stop(self) -> None:
        """Ends everything that this stack started; its logs stay, what the store kept goes."""
        self._ending.close()
        shutil.rmtree(self.directory / "store", ignore_errors=True)

    def __enter__(self) -> "Stack":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
