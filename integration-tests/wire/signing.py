"""AWS Signature Version 4, written from its specification, for requests that no SDK would send.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import datetime
import hashlib
import hmac
from urllib.parse import quote, unquote_to_bytes

from stack import Identity

Fields = list[tuple[str, str | bytes]]

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
REGION = "us-east-1"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


EMPTY_SHA256 = sha256(b"")


def sign(
    identity: Identity,
    method: str,
    target: str,
    host: str,
    fields: Fields,
    payload: str,
    *,
    minutes_off: float = 0,
    region: str = REGION,
    service: str = "s3",
    algorithm: str = ALGORITHM,
    not_signed: tuple[str, ...] = (),
    signed: tuple[str, ...] = (),
    send_payload_hash: bool = True,
) -> Fields:
    """`fields` and those that a signature in the Authorization field needs, `host` first.

    Signed are `host`, every `x-amz-*` field and those named in `signed`, but not those in `not_signed`.
    """
    time = basic_time(minutes_off)
    fields = [("host", host), *fields, ("x-amz-date", time)]
    if send_payload_hash:
        fields.append(("x-amz-content-sha256", payload))
    names = sorted(
        {name.lower() for name, _ in fields if name.lower().startswith("x-amz-") or name.lower() in ("host", *signed)}
        - set(not_signed)
    )
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    signature = signature_of(identity, method, target, fields, names, payload, time, scope, algorithm)
    credential = f"Credential={identity.access_key_id}/{scope}"
    value = f"{algorithm} {credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return [*fields, ("authorization", value)]


def presign(
    identity: Identity,
    method: str,
    target: str,
    host: str,
    fields: Fields = [],  # noqa: B006
    *,
    minutes_off: float = 0,
    expires: int | str = 300,
    region: str = REGION,
    algorithm: str = ALGORITHM,
    query: tuple[tuple[str, str], ...] = (),
) -> str:
    """The target of a presigned URL; `query` is signed along, `fields` have to be sent with it."""
    time = basic_time(minutes_off)
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    fields = [("host", host), *fields]
    names = sorted(name.lower() for name, _ in fields)
    parameters = [
        ("X-Amz-Algorithm", algorithm),
        ("X-Amz-Credential", f"{identity.access_key_id}/{scope}"),
        ("X-Amz-Date", time),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", ";".join(names)),
        *query,
    ]
    target += "&" if "?" in target else "?"
    target += "&".join(f"{escape(name)}={escape(value)}" for name, value in parameters)
    signature = signature_of(identity, method, target, fields, names, UNSIGNED, time, scope, algorithm)
    return f"{target}&X-Amz-Signature={signature}"


def verify(identity: Identity, method: str, target: str, fields: Fields, region: str = REGION) -> None:
    """Fails unless the request is signed in its Authorization field, and every `x-amz-*` field with it."""
    given = [value for name, value in fields if name == "authorization"]
    assert len(given) == 1, f"{len(given)} authorization fields"
    text = given[0] if isinstance(given[0], str) else given[0].decode()
    scheme, _, rest = text.partition(" ")
    assert scheme == ALGORITHM, f"scheme {scheme}"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    names = parts["SignedHeaders"].split(";")
    present = {name for name, _ in fields}
    required = {name for name in present if name.startswith("x-amz-")} - {"x-amz-content-sha256"} | {"host"}
    assert required <= set(names), f"not signed: {required - set(names)}"
    access_key_id, _, scope = parts["Credential"].partition("/")
    assert access_key_id == identity.access_key_id
    time = next(text_of(value) for name, value in fields if name == "x-amz-date")
    assert scope == f"{time[:8]}/{region}/s3/aws4_request"
    payload = next(text_of(value) for name, value in fields if name == "x-amz-content-sha256")
    expected = signature_of(identity, method, target, fields, names, payload, time, scope, ALGORITHM)
    assert hmac.compare_digest(expected, parts["Signature"]), "wrong signature"


def signature_of(
    identity: Identity,
    method: str,
    target: str,
    fields: Fields,
    names: list[str],
    payload: str,
    time: str,
    scope: str,
    algorithm: str,
) -> str:
    path, _, query = target.partition("?")
    parameters = sorted(
        tuple(escape(unquote_to_bytes(piece)) for piece in part.partition("=")[::2])
        for part in query.split("&")
        if part
    )
    values: dict[str, list[bytes]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(b" ".join(bytes_of(value).split()))
    canonical_request = b"\n".join(
        [
            method.encode(),
            "/".join(escape(unquote_to_bytes(segment)) for segment in path.split("/")).encode(),
            "&".join(f"{name}={value}" for name, value in parameters).encode(),
            *(name.encode() + b":" + b",".join(values.get(name, [])) for name in names),
            b"",
            ";".join(names).encode(),
            payload.encode(),
        ]
    )
    string_to_sign = "\n".join([algorithm, time, scope, sha256(canonical_request)])
    key = f"AWS4{identity.secret_access_key}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, string_to_sign.encode(), "sha256").hex()


def basic_time(minutes_off: float = 0) -> str:
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes_off)
    return time.strftime("%Y%m%dT%H%M%SZ")


def escape(text: str | bytes, safe: str = "") -> str:
    return quote(text, safe=safe + "-_.~")


def bytes_of(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def text_of(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
