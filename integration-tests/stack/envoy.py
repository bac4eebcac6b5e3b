"""Envoy's configuration for a stack, made from envoy/envoy.yaml, and Envoy itself."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import yaml

from .errors import StackError
from .key_service import KEK_ID, KeyService
from .options import ROOT, Identity, Options
from .ports import Ports
from .processes import Process
from .store import Store, plain_environment, program_of_venv

TEMPLATE = ROOT / "envoy" / "envoy.yaml"
SIGNING_BY_ENVOY = ROOT / "envoy" / "signing-by-envoy.yaml"
SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
EVERY_ACTION = ["read", "write", "delete", "list", "config", "bucket_admin", "acl"]


@dataclass
class Envoy:
    """A running Envoy."""

    http_port: int
    https_port: int
    admin_port: int
    process: Process
    access_log: Path
    _start: Callable[[], Process] = field(repr=False)

    def admin(self, path: str) -> str:
        """What the admin interface answers to GET."""
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def stats(self, contains: str = "") -> dict[str, int]:
        """Counters and gauges by name; `contains` is a regular expression."""
        answer = json.loads(self.admin(f"/stats?format=json&filter={contains}"))
        return {stat["name"]: stat["value"] for stat in answer["stats"] if "name" in stat}

    def stop(self) -> None:
        """Ends Envoy."""
        self.process.stop()

    def restart(self) -> None:
        """Ends Envoy and starts another, with the same ports, keys and configuration."""
        self.stop()
        self.process = self._start()
        self.wait_until_live()

    def wait_until_live(self) -> None:
        """Waits until Envoy takes requests."""

        def live() -> bool:
            try:
                return self.admin("/ready").strip() == "LIVE"
            except OSError:
                return False

        self.process.wait_until(live, 60)


def start(
    options: Options,
    directory: Path,
    ports: Ports,
    linger: bool,
    store: Store,
    key_service: KeyService,
    clients: list[Identity],
) -> Envoy:
    """Starts Envoy between `clients` and `store`, and waits until it is live."""
    http_port, https_port, admin_port = ports.take(), ports.take(), ports.take()
    config = yaml.safe_load(TEMPLATE.read_text())
    access_log = directory / "access.log"
    access_log.touch()
    secrets = environment(options, store, key_service, clients)

    socket_address(config["admin"])["port_value"] = admin_port
    http, https = config["static_resources"]["listeners"]
    socket_address(http)["port_value"] = http_port
    socket_address(https)["port_value"] = https_port
    certificate = https["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"][
        "tls_certificates"
    ][0]
    certificate["certificate_chain"]["filename"] = str(directory / "server.pem")
    certificate["private_key"]["filename"] = str(directory / "server.key")
    # The template's listeners share one connection manager by a YAML anchor, so one edit changes both.
    manager = http["filter_chains"][0]["filters"][0]["typed_config"]
    manager["access_log"][0]["typed_config"]["path"] = str(access_log)
    if options.filter:
        edit_filter(manager, options, store, clients, secrets)
    else:
        manager["http_filters"] = manager["http_filters"][1:]

    store_cluster, key_cluster = config["static_resources"]["clusters"]
    edit_store_cluster(store_cluster, options, store)
    address = cluster_address(key_cluster)
    address["address"], address["port_value"] = host_and_port(options.key_upstream) or ("127.0.0.1", key_service.port)

    path = directory / "envoy.yaml"
    path.write_text(
        "# Made from envoy/envoy.yaml for this stack.\n" + yaml.dump(config, Dumper=PlainDumper, sort_keys=False)
    )
    command = [program_of_venv("envoy"), "-c", str(path), "--concurrency", str(options.workers)]
    command += ["--disable-hot-restart", "--log-level", options.envoy_log_level, "--file-flush-interval-msec", "100"]

    def start_process() -> Process:
        return Process("envoy", command, directory, secrets, linger)

    envoy = Envoy(http_port, https_port, admin_port, start_process(), access_log, start_process)
    envoy.wait_until_live()
    return envoy


def environment(
    options: Options, store: Store, key_service: KeyService, clients: list[Identity]
) -> dict[str, str]:
    """Envoy's environment: the secrets, and nothing of whoever runs this."""
    secrets = plain_environment()
    if not options.store_credentials:
        pass
    elif options.signing == "envoy":
        secrets["AWS_ACCESS_KEY_ID"] = store.identity.access_key_id
        secrets["AWS_SECRET_ACCESS_KEY"] = store.identity.secret_access_key
        if store.identity.session_token:
            secrets["AWS_SESSION_TOKEN"] = store.identity.session_token
    else:
        secrets["STORE_ACCESS_KEY_ID"] = store.identity.access_key_id
        secrets["STORE_SECRET_ACCESS_KEY"] = store.identity.secret_access_key
        if store.identity.session_token:
            secrets["STORE_SESSION_TOKEN"] = store.identity.session_token
    for prefix, client in zip(("CLIENT", "ALT"), clients, strict=True):
        secrets[f"{prefix}_ACCESS_KEY_ID"] = client.access_key_id
        secrets[f"{prefix}_SECRET_ACCESS_KEY"] = client.secret_access_key
    if options.key_service == "static":
        secrets["KEK_HEX"] = key_service.kek.hex()
    return secrets


def edit_filter(
    manager: dict[str, Any], options: Options, store: Store, clients: list[Identity], secrets: Mapping[str, str]
) -> None:
    """Puts the module, the secrets' names and the filter's configuration in."""
    if not options.wasm.exists():
        raise StackError(f"{options.wasm.name} is missing; `make wasm` makes it")
    plugin = manager["http_filters"][0]["typed_config"]["config"]
    plugin["vm_config"]["code"]["local"]["filename"] = str(options.wasm)
    plugin["vm_config"]["environment_variables"]["host_env_keys"] = [
        name for name in secrets if name.startswith(("STORE_", "CLIENT_", "ALT_", "KEK_"))
    ]
    config = merge(
        json.loads(plugin["configuration"]["value"]),
        filter_config(options, store, len(clients)),
    )
    if options.signing == "envoy":
        del config["store"]["access_key_id"], config["store"]["secret_access_key"]
    plugin["configuration"]["value"] = json.dumps(merge(config, options.filter_config), indent=2)


def filter_config(options: Options, store: Store, clients: int) -> dict[str, Any]:
    """What a stack says to the filter in place of the template."""
    by_name = lambda prefix: {  # noqa: E731
        "access_key_id": {"env": f"{prefix}_ACCESS_KEY_ID"},
        "secret_access_key": {"env": f"{prefix}_SECRET_ACCESS_KEY"},
        "permissions": [{"buckets": ["*"], "actions": EVERY_ACTION}],
    }
    config: dict[str, Any] = {
        "regions": [store.region],
        "store": {"host": store.authority, "region": store.region, "signing": options.signing},
        "clients": [by_name(prefix) for prefix in ("CLIENT", "ALT")[:clients]],
        # The stack's clients come over plain HTTP as well.
        "unsigned_payload": "always",
    }
    if options.payload_integrity != "unsigned":
        config["store"]["payload_integrity"] = options.payload_integrity
    if options.signing == "filter" and store.identity.session_token:
        config["store"]["session_token"] = {"env": "STORE_SESSION_TOKEN"}
    if options.key_service == "static":
        config["key_rings"] = {"default": {"active": KEK_ID, "service": "static"}}
        config["key_services"] = {"static": {"type": "static", "keks": {KEK_ID: {"env": "KEK_HEX"}}}, "kms": None}
    return config


def edit_store_cluster(cluster: dict[str, Any], options: Options, store: Store) -> None:
    """Points the cluster at the store, or at what a test puts before it."""
    address = cluster_address(cluster)
    address["address"], address["port_value"] = host_and_port(options.upstream) or store.address
    if store.is_tls and options.upstream is None:
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": store.address[0],
                "auto_sni_san_validation": True,
                "common_tls_context": {"validation_context": {"trusted_ca": {"filename": SYSTEM_CERTIFICATES}}},
            },
        }
    if options.signing == "envoy" and options.filter:
        protocol = yaml.safe_load(SIGNING_BY_ENVOY.read_text())
        for values in protocol.values():
            signing = values["http_filters"][0]["typed_config"]
            signing["region"] = store.region
            # From the environment, and not by asking the network for an instance's metadata.
            signing["credential_provider"] = {
                "custom_credential_provider_chain": True,
                "environment_credential_provider": {},
            }
        cluster["typed_extension_protocol_options"] = protocol
    if options.store_http2:
        for values in cluster["typed_extension_protocol_options"].values():
            values["explicit_http_config"] = {"http2_protocol_options": {}}


def merge(base: Any, changes: Mapping[str, Any]) -> Any:
    """`base` with `changes`: objects are merged, None removes a field, everything else replaces."""
    merged = dict(base)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
            merged[name] = merge(merged[name], value)
        else:
            merged[name] = value
    return merged


def socket_address(holder: dict[str, Any]) -> dict[str, Any]:
    return holder["address"]["socket_address"]


def cluster_address(cluster: dict[str, Any]) -> dict[str, Any]:
    return socket_address(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"])


def host_and_port(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    return host, int(port)


class PlainDumper(yaml.SafeDumper):
    """Writes shared values out in full, and long texts as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


PlainDumper.add_representer(str, _text)
