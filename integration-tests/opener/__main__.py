"""Command line: opens one object, from files or from a store."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from . import FormatError, open_object
from .envelope import CHECKSUM_NAMES
from .keys import BINDINGS, check_kek


def main(argv: Optional[List[str]] = None) -> int:
    """Opens the object that the arguments name; 0 if it is whole, 1 if it is refused."""
    parser = _parser()
    args = parser.parse_args(argv)
    if not args.endpoint_url and not (args.headers and args.body):
        parser.error("give --headers and --body, or --endpoint-url")
    try:
        kek = bytes.fromhex(args.kek_hex)
        check_kek(kek)
    except ValueError as error:
        parser.error(f"--kek-hex: {error}")
    if args.endpoint_url:
        headers, body = _fetch(args.endpoint_url, args.store_bucket or args.bucket, args.key)
    else:
        headers = json.loads(args.headers.read_text(encoding="utf-8"))
        body = args.body.read_bytes()
    try:
        key_ring = {args.kek_id: kek} if args.kek_id else kek
        opened = open_object(key_ring, args.bucket, args.key, headers, body, args.binding)
    except FormatError as error:
        print(f"refused: {error} ({len(error.releasable)} bytes releasable)", file=sys.stderr)
        return 1
    if args.out:
        args.out.write_bytes(opened.plaintext)
    facts = opened.facts
    print(
        json.dumps(
            {
                "plaintext_len": facts.plaintext_len,
                "binding": opened.head.binding,
                "kek_id": opened.head.kek_id,
                "metadata_digest": facts.metadata_digest.hex() if facts.metadata_digest else None,
                "checksum_algorithm": CHECKSUM_NAMES.get(facts.checksum_id),
                "checksum": facts.checksum.hex(),
            }
        )
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m opener", description=__doc__)
    parser.add_argument("--kek-hex", required=True, help="the KEK, 64 hexadecimal digits")
    parser.add_argument("--kek-id", help="refuse an object that names another KEK")
    parser.add_argument("--bucket", required=True, help="the logical name of the bucket")
    parser.add_argument("--key", required=True, help="the object key, not percent-encoded")
    parser.add_argument(
        "--binding", choices=list(BINDINGS), default="bucket-and-key", help="the weakest that is accepted"
    )
    parser.add_argument("--headers", type=Path, help="JSON file: the response's header fields, name to value")
    parser.add_argument("--body", type=Path, help="file: the stored body")
    parser.add_argument("--endpoint-url", help="fetch from this store instead (boto3 and its AWS_* environment)")
    parser.add_argument("--store-bucket", help="the bucket's own name, where it is not the logical one")
    parser.add_argument("--out", type=Path, help="file that the plaintext is written to")
    return parser


def _fetch(endpoint_url: str, bucket: str, key: str) -> Tuple[Dict[str, str], bytes]:
    import boto3  # type: ignore[import-not-found]
    from botocore.config import Config  # type: ignore[import-not-found]

    config = Config(response_checksum_validation="when_required", s3={"addressing_style": "path"})
    response = boto3.client("s3", endpoint_url=endpoint_url, config=config).get_object(Bucket=bucket, Key=key)
    return dict(response["ResponseMetadata"]["HTTPHeaders"]), response["Body"].read()


if __name__ == "__main__":
    sys.exit(main())
