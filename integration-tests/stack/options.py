"""What a stack is made of."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .errors import StackError

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

StoreKind = Literal["seaweedfs", "s3s-fs", "external"]


@dataclass(frozen=True)
class Identity:
    """An access key; the secret stays out of `repr`."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    @classmethod
    def generate(cls, prefix: str) -> "Identity":
        """A new access key whose id starts with `prefix`."""
        return cls(prefix + secrets.token_hex(8).upper(), secrets.token_hex(20))


@dataclass(frozen=True)
class External:
    """A store that runs already."""

    endpoint_url: str
    identity: Identity
    region: str = "us-east-1"


@dataclass(frozen=True)
class Options:
    """The choices of one stack; the defaults are those of `make up`."""

    store: StoreKind = "seaweedfs"
    #: Where `store` is "external".
    external: External | None = None
    #: Who signs towards the store: the filter, or Envoy's aws_request_signing.
    signing: Literal["filter", "envoy"] = "filter"
    #: False starts Envoy without the store's credentials in its environment.
    store_credentials: bool = True
    #: How the store checks what it receives: not at all (TLS does), or by a trailing CRC-32C.
    payload_integrity: Literal["unsigned", "trailer"] = "unsigned"
    key_service: Literal["constellation", "static"] = "constellation"
    #: More arguments of the key-service program, such as ("--delay-ms", "500").
    key_service_arguments: tuple[str, ...] = ()
    #: Envoy's worker threads.
    workers: int = 2
    #: False leaves the filter out: clients then use the store's own access key.
    filter: bool = True
    #: The module to run.
    wasm: Path = ROOT / "target" / "s3_envelope_filter.wasm"
    #: Speaks HTTP/2 to the store, which s3s-fs understands without TLS.
    store_http2: bool = False
    #: "host:port" that Envoy connects to in place of the store: a slow or hostile one of a test's own.
    upstream: str | None = None
    #: "host:port" that Envoy connects to in place of the key service.
    key_upstream: str | None = None
    #: Merged into the filter's configuration; a list replaces a list.
    filter_config: Mapping[str, Any] = field(default_factory=dict)
    #: The name of Envoy's log level.
    envoy_log_level: str = "info"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Options":
        """The options of `make up`: STORE, and STORE_* for an external one."""
        store = environment.get("STORE") or "seaweedfs"
        if store not in ("seaweedfs", "s3s-fs", "external"):
            raise StackError(f"STORE={store}: choose seaweedfs, s3s-fs or external")
        external = None
        if store == "external":
            names = ("STORE_ENDPOINT_URL", "STORE_ACCESS_KEY_ID", "STORE_SECRET_ACCESS_KEY")
            missing = [name for name in names if not environment.get(name)]
            if missing:
                raise StackError(f"STORE=external needs {', '.join(missing)}")
            identity = Identity(
                environment["STORE_ACCESS_KEY_ID"],
                environment["STORE_SECRET_ACCESS_KEY"],
                environment.get("STORE_SESSION_TOKEN") or None,
            )
            external = External(
                environment["STORE_ENDPOINT_URL"], identity, environment.get("STORE_REGION") or "us-east-1"
            )
        return cls(
            store=store,  # type: ignore[arg-type]
            external=external,
            signing="envoy" if environment.get("SIGNING") == "envoy" else "filter",
            filter=environment.get("FILTER") != "no",
        )
