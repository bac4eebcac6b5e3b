"""Requests signed by botocore at a fixed time, with every intermediate text.

    python3 make_vectors.py > requests.json
"""

import datetime
import io
import json
from unittest import mock

import botocore
import botocore.auth
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

NOW = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)
ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "AQoDYXdzEJr+/=="
KEYS = [
    "plain.txt",
    "a b/c+d/e%20f",
    "//double//slash/./../",
    "ünïcode/ሴ/😀",
    "~!$&'()*,;=:@[]{}|\\^`\"<>?#",
]

signed = {}


def record(cls):
    """Notes the texts that `cls` signs."""
    canonical_request, string_to_sign = cls.canonical_request, cls.string_to_sign

    def noting_canonical_request(self, request):
        signed["canonical_request"] = canonical_request(self, request)
        return signed["canonical_request"]

    def noting_string_to_sign(self, request, text):
        signed["string_to_sign"] = string_to_sign(self, request, text)
        return signed["string_to_sign"]

    cls.canonical_request = noting_canonical_request
    cls.string_to_sign = noting_string_to_sign


def vector(name, method, url, headers, token, **more):
    authority, target = url.split("://", 1)[1].split("/", 1)
    fields = []
    for field, value in headers:
        if field.lower() not in ("host", "user-agent", "amz-sdk-invocation-id"):
            value = value.decode("latin-1") if isinstance(value, bytes) else value
            fields.append([field, value])
    return {
        "name": name,
        "method": method,
        "authority": authority,
        "target": "/" + target,
        "headers": fields,
        "session_token": SESSION_TOKEN if token else None,
        **signed,
        **more,
    }


def client(scheme, style="path", token=False):
    session = botocore.session.Session()
    made = session.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"{scheme}://s3.example.com:9000",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        aws_session_token=SESSION_TOKEN if token else None,
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )
    return made


def sent(name, made, token, operation, **parameters):
    """The request that an operation sends."""
    seen = {}

    def capture(request, **_):
        seen["request"] = request
        return AWSResponse(request.url, 500, {}, io.BytesIO(b""))

    made.meta.events.register("before-send.s3", capture)
    made.meta.events.register("needs-retry.s3", lambda **_: None)
    try:
        getattr(made, operation)(**parameters)
    except Exception:  # The answer is none; only the request counts.
        pass
    made.meta.events.unregister("before-send.s3", capture)
    request = seen["request"]
    return vector(name, request.method, request.url, request.headers.items(), token)


def presigned(name, made, token, operation, headers=(), **parameters):
    """A presigned URL, used with the fields that it demands."""
    url = made.generate_presigned_url(operation, Params=parameters, ExpiresIn=3600)
    method = {"get_object": "GET", "put_object": "PUT"}[operation]
    return vector(name, method, url, headers, token)


def main():
    record(botocore.auth.S3SigV4Auth)
    record(botocore.auth.S3SigV4QueryAuth)
    vectors = []
    with (
        mock.patch("botocore.auth.get_current_datetime", lambda: NOW),
        mock.patch("botocore.retries.standard.time.sleep", lambda _: None),
    ):
        for scheme in "http", "https":
            made = client(scheme)
            for key in KEYS:
                vectors.append(sent(f"get {key} over {scheme}", made, False, "get_object", Bucket="bucket", Key=key))
                vectors.append(
                    sent(f"put {key} over {scheme}", made, False, "put_object", Bucket="bucket", Key=key, Body=b"body")
                )
                vectors.append(presigned(f"presigned get {key} over {scheme}", made, False, "get_object", Bucket="bucket", Key=key))
        made = client("http")
        vectors += [
            sent("range and conditions", made, False, "get_object", Bucket="bucket", Key="k", Range="bytes=0-9", IfMatch='"e"', VersionId="v+/="),
            sent(
                "metadata and type", made, False, "put_object", Bucket="bucket", Key="k", Body=b"body",
                ContentType="text/plain;  charset=utf-8", Metadata={"a": "x  y", "B": " z "}, CacheControl="no-cache",
            ),
            sent("list", made, False, "list_objects_v2", Bucket="bucket", Prefix="a b+ü/&=", Delimiter="/", MaxKeys=2),
            sent("sub-resource", made, False, "list_multipart_uploads", Bucket="bucket"),
            presigned(
                "presigned put with type", made, False, "put_object", [["content-type", "image/png"]],
                Bucket="bucket", Key="a b+c", ContentType="image/png",
            ),
            presigned(
                "presigned get with overrides", made, False, "get_object", Bucket="bucket", Key="k",
                ResponseContentDisposition='attachment; filename="a b+c.txt"',
            ),
        ]
        made = client("https", token=True)
        vectors += [
            sent("session token", made, True, "get_object", Bucket="bucket", Key="k"),
            presigned("presigned with session token", made, True, "get_object", Bucket="bucket", Key="k"),
        ]
        made = client("http", style="virtual")
        vectors += [
            sent("virtual host", made, False, "put_object", Bucket="bucket", Key="a b+c", Body=b"body"),
            presigned("presigned, virtual host", made, False, "get_object", Bucket="bucket", Key="a b+c"),
        ]
    print(
        json.dumps(
            {
                "generator": f"botocore {botocore.__version__}",
                "access_key_id": ACCESS_KEY_ID,
                "secret_access_key": SECRET_ACCESS_KEY,
                "region": "us-east-1",
                "time": NOW.strftime("%Y%m%dT%H%M%SZ"),
                "requests": vectors,
            },
            indent=1,
        )
    )


main()
