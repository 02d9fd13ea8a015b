from __future__ import annotations

import gzip

from starlette.datastructures import Headers

from brats3d.viewer.http.assets import Assets, package_assets

FILES = {"index.html": b'<script src="/static/main.js"></script>', "main.js": b"1;" * 100}


def test_a_file_is_compressed_for_those_who_take_it() -> None:
    asset, _ = Assets(FILES).find("main.js") or (None, None)
    assert asset is not None
    packed = asset.answer(Headers({"accept-encoding": "br, gzip"}), keep=False)
    assert gzip.decompress(bytes(packed.body)) == FILES["main.js"]
    assert packed.headers["content-encoding"] == "gzip"
    plain = asset.answer(Headers({}), keep=False)
    assert bytes(plain.body) == FILES["main.js"]
    assert "content-encoding" not in plain.headers


def test_a_browser_that_has_the_file_gets_no_body() -> None:
    asset, _ = Assets(FILES).find("main.js") or (None, None)
    assert asset is not None
    answer = asset.answer(Headers({"if-none-match": asset.etag}), keep=False)
    assert answer.status_code == 304
    assert not answer.body
    assert asset.answer(Headers({"if-none-match": '"another"'}), keep=False).status_code == 200


def test_only_addresses_with_the_version_are_kept_for_ever() -> None:
    assets = Assets(FILES)
    asset, keep = assets.find(f"{assets.version}/main.js") or (None, None)
    assert asset is not None
    assert keep
    assert "immutable" in asset.answer(Headers({}), keep=True).headers["cache-control"]
    assert assets.find("main.js") == (asset, False)
    assert assets.find("0123456789abcdef/main.js") is None


def test_the_version_changes_with_any_file() -> None:
    changed = Assets({**FILES, "main.js": b"2;"})
    assert changed.version != Assets(FILES).version
    assert f"/static/{changed.version}/main.js".encode() in changed.page().content


def test_nothing_but_the_files_of_the_page_is_found() -> None:
    assets = package_assets()
    for name in (
        "../app.py",
        "..%2fapp.py",
        "/etc/passwd",
        "main.js/../index.html",
        "",
        "niivue",
        "README.md",
    ):
        assert assets.find(name) is None


def test_the_package_has_its_page_and_niivue() -> None:
    assets = package_assets()
    page = assets.page().content.decode()
    assert "/static/niivue/niivue.umd.js" not in page, "without a version"
    assert assets.find("niivue/niivue.umd.js") is not None
