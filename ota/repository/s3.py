"""An S3 store as a place to publish to. Knows boto3, which finds credentials its own way; not what is sent.

A PUT appears whole or not at all, and reads after it see it (Amazon S3 User Guide, "data consistency model"). Needs the
rights to list, read, write and delete under its prefix and no other; vans read through whatever serves the bucket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from ota.repository.stores import Sent, StoreError

_MISSING = {"404", "NoSuchKey", "NotFound"}
# one part after another: an admin's line is the limit, and no thread outlives the call
_TRANSFER = TransferConfig(use_threads=False)
_FAULTS = (BotoCoreError, ClientError, Boto3Error)


class BucketStore:
    """What lies under one prefix of a bucket."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def read(self, name: str) -> bytes | None:
        """A file, or None."""
        with self._told(name):
            try:
                with contextlib.closing(self._client.get_object(**self._named(name))["Body"]) as body:
                    return bytes(body.read())
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise

    def length(self, name: str) -> int | None:
        """A file's bytes, or None."""
        with self._told(name):
            try:
                return int(self._client.head_object(**self._named(name))["ContentLength"])
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise

    def put(self, name: str, data: bytes) -> None:
        """Write a small file over whatever has its name."""
        with self._told(name):
            self._client.put_object(**self._named(name), Body=data)

    def put_file(self, name: str, path: Path, sent: Sent) -> None:
        """Send a large file, in parts where it is very large."""
        with self._told(name), path.open("rb") as file:
            self._client.upload_fileobj(file, self._bucket, self._prefix + name, Callback=sent, Config=_TRANSFER)

    def names(self, prefix: str) -> list[str]:
        """Files whose name begins so."""
        with self._told(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            return sorted(
                str(one["Key"]).removeprefix(self._prefix) for page in pages for one in page.get("Contents", ())
            )

    def remove(self, name: str) -> None:
        """Delete a file; nothing if it is gone."""
        with self._told(name):
            self._client.delete_object(**self._named(name))

    def finish(self) -> None:
        """Every file was in its place already."""

    def _named(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            raise StoreError(f"s3://{self._bucket}/{self._prefix}{name}: {error}") from error


@contextlib.contextmanager
def open_bucket(where: str, endpoint: str) -> Iterator[BucketStore]:
    """The store behind ``s3://bucket/prefix``; closed in the end.

    Raises:
        StoreError: no bucket is named, or boto3 will not start.
    """
    bucket, _, prefix = where.removeprefix("s3://").partition("/")
    if not bucket:
        raise StoreError(f"{where}: names no bucket")
    try:
        client = boto3.session.Session().client("s3", endpoint_url=endpoint or None)
    except (BotoCoreError, ValueError) as error:
        raise StoreError(f"{where}: {error}") from error
    with contextlib.closing(client):
        yield BucketStore(client, bucket, prefix.rstrip("/"))
