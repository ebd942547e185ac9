"""Publishing to an S3 store: moto's server on 127.0.0.1, read back by python-tuf's client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import boto3
import pytest
import urllib3
from moto.server import ThreadedMotoServer
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from ota.repository.edition import edition, send
from ota.repository.stores import StoreError, open_store
from tests.ota.repository.stage import NOW, Stage


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib3.request("POST", f"{url}/moto-api/reset")  # its buckets outlive it
    with contextlib.closing(boto3.client("s3", endpoint_url=url)) as client:
        client.create_bucket(Bucket="fleet")
    yield url
    server.stop()


class SignedFetcher(FetcherInterface):
    """A private bucket, read as whoever has the right to: moto refuses an anonymous GET, as Amazon does."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def _fetch(self, url: str) -> Iterator[bytes]:
        with contextlib.closing(boto3.client("s3", endpoint_url=self._endpoint)) as client:
            try:
                found = client.get_object(Bucket="fleet", Key=url.removeprefix("s3://fleet/"))
            except client.exceptions.NoSuchKey as error:
                raise DownloadHTTPError(url, 404) from error
            with contextlib.closing(found["Body"]) as body:
                return iter([body.read()])


def fetch(stage: Stage, endpoint: str, path: str) -> bytes | None:
    cache = stage.tmp / "cache"
    cache.mkdir(exist_ok=True)
    base = "s3://fleet/north"
    root = (stage.path / "metadata/1.root.json").read_bytes()
    places = (str(cache), f"{base}/metadata/", str(cache), f"{base}/targets/", SignedFetcher(endpoint))
    updater = Updater(*places, bootstrap=root)
    updater._trusted_set.reference_time = datetime.fromtimestamp(NOW, timezone.utc)
    updater.refresh()
    target = updater.get_targetinfo(path)
    return Path(updater.download_target(target, str(cache / "got"))).read_bytes() if target else None


def test_a_client_reads_from_a_bucket_what_was_published_to_it(stage: Stage, endpoint: str) -> None:
    with open_store("s3://fleet/north/", endpoint) as store:
        assert store.read("metadata/timestamp.json") is None
        assert stage.send_to(store) == 0
        stage.release(stage.propose("sface-2"))
        stage.release(stage.propose_list("list-1", "north"))
        assert stage.send_to(store) == 700 + 600
        assert stage.send_to(store) == 0, "what is there is not sent again"
        stage.release(stage.propose_list("list-2", "north"))
        stage.send_to(store)
        assert [name[-6:] for name in store.names("targets/watchlist/")] == ["list-2"]
    assert fetch(stage, endpoint, "model/sface-2") == b"sface-2" * 100
    assert fetch(stage, endpoint, "watchlist/list-1") is None


def test_progress_is_told_in_bytes(stage: Stage, endpoint: str) -> None:
    stage.release(stage.propose("sface-2"))
    told: list[tuple[int, int]] = []
    with open_store("s3://fleet/north", endpoint) as store:
        what = edition(stage.folder.need_published(), stage.path, {})
        send(what, store, lambda done, total: told.append((done, total)))
    assert told[-1] == (700, 700)


def test_a_bucket_that_is_not_there_is_named(stage: Stage, endpoint: str) -> None:
    with open_store("s3://other/north", endpoint) as store, pytest.raises(StoreError, match="s3://other/north/targets"):
        store.names("targets/")
    with open_store("s3://other", endpoint) as store, pytest.raises(StoreError, match="NoSuchBucket"):
        store.put("x", b"")
    with pytest.raises(StoreError, match="names no bucket"), open_store("s3:///x", endpoint):
        pass
