"""Configuration: camelCase on the wire, snake_case in Python, nothing ignored."""

import pytest

from summit.base.config import Config, load_toml, nearest, resolve
from summit.base.errors import Invalid


class Inner(Config, frozen=True, kw_only=True):
    size_ms: int = 1000


class Sample(Config, frozen=True, kw_only=True):
    client_id: str
    batch_size: int = 10
    inner: Inner = Inner()
    other: Inner | str | None = None

    def check(self) -> None:
        if self.batch_size <= 0:
            raise Invalid(
                "config.invalid", reason="batchSize must be above 0", pointer="/batchSize"
            )


def test_both_spellings_and_back() -> None:
    sample = Sample.from_dict({"clientId": "a", "batch_size": 3, "inner": {"sizeMs": 5}})
    assert sample == Sample(client_id="a", batch_size=3, inner=Inner(size_ms=5))
    assert sample.to_dict() == {
        "clientId": "a", "batchSize": 3, "inner": {"sizeMs": 5}, "other": None,
    }  # fmt: skip
    assert Sample.from_dict(sample.to_dict()) == sample
    assert (
        Sample.from_dict(
            {"client_id": "a", "batch_size": 3, "inner": {"size_ms": 5}, "other": None}
        )
        == sample
    )
    within = Sample.from_dict({"clientId": "a", "other": {"size_ms": 7}})
    assert within.other == Inner(size_ms=7)
    assert Sample.from_dict({"clientId": "a", "other": "text"}).other == "text"


@pytest.mark.parametrize(
    ("values", "code", "part"),
    [
        ({"clientId": "a", "batchSiez": 1}, "config.unknown_key", "batchSize"),
        ({"clientId": "a", "batchSize": "many"}, "config.invalid", "batchSize"),
        ({"clientId": "a", "batchSize": 0}, "config.invalid", "above 0"),
        ({"clientId": "a", "inner": {"sizeMz": 1}}, "config.unknown_key", "sizeMs"),
        ({"clientId": "a", "other": {"size": 1}}, "config.unknown_key", "size"),
        ({"clientId": "a", "inner": {"sizeMs": None}}, "config.invalid", "Inner.sizeMs"),
        ({}, "config.invalid", "clientId"),
    ],
)
def test_refusals(values: dict[str, object], code: str, part: str) -> None:
    with pytest.raises(Invalid) as caught:
        Sample.from_dict(values)
    assert caught.value.code == code
    assert part in str(caught.value)


def test_keyword_arguments_are_checked_too() -> None:
    with pytest.raises(Invalid, match="batchSize"):
        Sample(client_id="a", batch_size="x")  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="above 0"):
        Sample(client_id="a", batch_size=-1)


def test_order_of_sources() -> None:
    file = {"sample": {"clientId": "file", "batchSize": 1}}
    env = {"SUMMIT_SAMPLE__BATCH_SIZE": "2", "NAME": "alias"}
    found = resolve(Sample, "sample", flags={"batch_size": None}, env=env, file=file,
                    aliases={"NAME": "client_id"})  # fmt: skip
    assert (found.client_id, found.batch_size) == ("alias", 2)
    flagged = resolve(Sample, "sample", flags={"batch_size": 9}, env=env, file=file)
    assert (flagged.client_id, flagged.batch_size) == ("file", 9)
    with pytest.raises(Invalid, match="SUMMIT_SAMPLE__BATCH_SIZ"):
        resolve(Sample, "sample", flags={}, env={"SUMMIT_SAMPLE__BATCH_SIZ": "1"}, file=file)


def test_toml(tmp_path) -> None:
    assert load_toml(str(tmp_path / "none.toml")) == {}
    good = tmp_path / "a.toml"
    good.write_text("[broker]\nport = 1\n")
    assert load_toml(str(good)) == {"broker": {"port": 1}}
    good.write_text("[broker")
    with pytest.raises(Invalid):
        load_toml(str(good))


def test_nearest() -> None:
    assert nearest("acls", ["acks", "retries"]) == "acks"
    assert nearest("zzz", ["acks"]) is None
